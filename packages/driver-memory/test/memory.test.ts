import { describeDriver } from "@fastpaca/conformance/vitest";
import { openMemory } from "../src/index.js";

describeDriver({
  name: "memory",
  traits: { durable: false, shared: false, watch: false },
  createDatabase: () => Promise.resolve({ url: "memory:" }),
  open: () => Promise.resolve(openMemory()),
});
