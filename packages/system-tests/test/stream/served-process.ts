/** A server in a process of its own, whose memory can be measured. Told by its parent when to measure. */
import { createStore } from "@fastpaca/core";
import { createServer } from "@fastpaca/core/server";
import { openMemory } from "@fastpaca/driver-memory";

// Log storage is the same with and without a stream; the cache is kept out of the comparison.
const store = createStore({ driver: openMemory(), cacheBytes: 1024 * 1024 });
const app = await createServer({ store });
const url = await app.listen({ host: "127.0.0.1", port: 0 });

process.on("message", () => {
  void measure();
});

/** What is let go of in one collection of the garbage frees something else in the next. */
async function measure(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  process.send?.({ bytes: heapUsed + external });
}

process.on("disconnect", () => process.exit());
process.send?.({ port: Number(new URL(url).port) });
