// Format, lint, types and every package's tests, cached by turbo; then one line that counts them all.
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, rmSync } from "node:fs";

for (const report of globSync("{packages/*,conformance,conformance/mutants,examples/*}/.reports"))
  rmSync(report, { recursive: true });
const tasks = ["//#format:check", "//#lint", "//#build", "test"];
console.log(`fastpaca: turbo run ${tasks.join(" ")}`);
const { status } = spawnSync(
  "turbo",
  ["run", ...tasks, "--continue", "--concurrency=1", "--output-logs=new-only"],
  {
    stdio: "inherit",
    shell: process.platform === "win32",
  },
);

const reports = globSync("{packages/*,conformance,conformance/mutants,examples/*}/.reports/vitest.json");
const count = { passed: 0, failed: 0, skipped: 0 };
for (const report of reports) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  // Said once more at the end: a log that was cut to its tail would not say what failed.
  for (const { name, message, assertionResults } of testResults) {
    const failed = assertionResults.filter((test) => test.status === "failed");
    for (const test of failed) {
      console.log(`failed: ${name}: ${test.fullName}`);
      for (const text of test.failureMessages) console.log(text.slice(0, 2_000));
    }
    if (failed.length === 0 && message) console.log(`failed: ${name}: ${message.slice(0, 2_000)}`);
  }
  count.passed += numPassedTests;
  count.failed += numFailedTests;
  count.skipped += numPendingTests + numTodoTests;
}
// A suite that dies before it reports (a type error, a crash) fails the run without failing a test.
if (status !== 0 && count.failed === 0) count.failed = 1;
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
process.exitCode = status === 0 && count.failed === 0 && count.passed > 0 ? 0 : 1;
