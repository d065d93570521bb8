import { describeDriver } from "@fastpaca/conformance";
import { openMemory } from "../src/index.js";

describeDriver({ name: "memory", open: async () => openMemory() });
