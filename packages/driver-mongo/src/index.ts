import type { DriverModule } from "@fastpaca/core";
import { openMongo } from "./open.js";

export { openMongo, type MongoOptions } from "./open.js";

const mongo: DriverModule = {
  name: "mongo",
  schemes: ["mongodb", "mongodb+srv"],
  open: (url, options = {}) => openMongo({ ...options, url }),
};

export default mongo;
