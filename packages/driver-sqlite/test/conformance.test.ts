import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { describeDriver } from "@fastpaca/conformance";
import sqlite from "@fastpaca/driver-sqlite";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

describeDriver({
  name: "sqlite",
  open: async () => {
    const folder = await mkdtemp(join(tmpdir(), "fastpaca-sqlite-"));
    folders.push(folder);
    return sqlite.open(`sqlite:${folder}/fastpaca.db`);
  },
});
