import { defineConfig } from "vitest/config";

/** What is killed and cut off waits for deadlines. */
const FRAGILE = ["test/fragile.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "in one process",
          include: ["test/*.test.ts"],
          exclude: FRAGILE,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      { test: { name: "fragile", include: FRAGILE, maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
  },
});
