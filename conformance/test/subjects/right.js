import { createDatabase, open } from "./small-driver.js";

export default {
  name: "small",
  traits: { durable: false, shared: true, watch: false },
  createDatabase,
  open,
};
