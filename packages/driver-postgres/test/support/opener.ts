// Opens a database when it is told to.
import { openPostgres } from "@fastpaca/driver-postgres";

const [url = "", schema = ""] = process.argv.slice(2);
process.once("message", () => {
  void openPostgres({ url, schema })
    .then((driver) => driver.close())
    .then(() => process.exit(0));
});
process.send?.("ready");
