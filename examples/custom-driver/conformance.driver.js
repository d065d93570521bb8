import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "./dist/index.js";

export default {
  name: "jsonl",
  traits: { durable: true, shared: false, watch: false },
  createDatabase: async () => {
    const folder = await mkdtemp(join(tmpdir(), "jsonl-"));
    return { url: `jsonl:${folder}`, drop: () => rm(folder, { recursive: true }) };
  },
  open,
  module: import.meta.url,
};
