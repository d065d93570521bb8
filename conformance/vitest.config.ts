import { defineConfig } from "vitest/config";

/** Files that do nothing but compute. All others start processes, or wait for what must not come too late. */
const COMPUTING = ["test/{checks-*,history-checker*,races}.test.ts"];

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "computing", include: COMPUTING, maxWorkers: 2, sequence: { groupOrder: 1 } },
      },
      {
        test: {
          name: "waiting",
          include: ["test/*.test.ts"],
          exclude: COMPUTING,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
