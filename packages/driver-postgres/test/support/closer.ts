/** Uses a driver, closes it when it is told to, and ends if nothing keeps the process. */
import { once } from "node:events";
import { openPostgres } from "@fastpaca/driver-postgres";

const [, , url = ""] = process.argv;
const driver = await openPostgres({ url });
await driver.watch?.(() => undefined);
await Promise.all(["a", "b", "c"].map((id) => driver.heads([id])));
process.send?.("open");
await once(process, "message");
process.disconnect();
await driver.close();
