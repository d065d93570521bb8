import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import sqlite from "@fastpaca/driver-sqlite";

export default {
  name: "sqlite",
  module: import.meta.url,
  traits: { durable: true, shared: true, watch: false },
  createDatabase: async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-sqlite-"));
    return { url: `sqlite:${directory}/kit.db`, drop: () => rm(directory, { recursive: true }) };
  },
  open: (url) => sqlite.open(url),
};
