import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DriverUnderTest } from "@fastpaca/conformance";
import sqlite from "@fastpaca/driver-sqlite";

/** The driver as the conformance kit opens it. */
const subject: DriverUnderTest = {
  name: "sqlite",
  module: import.meta.url,
  traits: { durable: true, shared: true, watch: false },
  createDatabase: async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "fastpaca-sqlite-"));
    return { url: `sqlite:${directory}/kit.db`, drop: () => rm(directory, { recursive: true }) };
  },
  open: (url) => sqlite.open(url),
};

export default subject;
