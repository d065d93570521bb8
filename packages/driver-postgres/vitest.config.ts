import { defineConfig } from "vitest/config";

// Real servers are started, killed and waited for, on machines that do other things at the same time.
export default defineConfig({
  test: { include: ["test/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 60_000 },
});
