import { INVARIANTS, type Invariant } from "../catalogue.js";
import { CHECKS } from "../checks/index.js";
import { SERVER_INVARIANTS } from "../server/catalogue.js";
import { SERVER_CHECKS } from "../server/checks/index.js";
import { wrap } from "../report/plain.js";

/** The invariants and the checks, for people. */
export function listText(): string {
  const lines = ["Invariants", ""];
  for (const entry of INVARIANTS satisfies readonly Invariant[]) {
    const { id, says, trait, without }: Invariant = entry;
    const needs =
      trait === undefined ? (without === undefined ? "" : ` (only if not ${without})`) : ` (${trait})`;
    const [first = "", ...rest] = wrap(`${says}${needs}`, 98);
    lines.push(`  ${id.padEnd(7)}${first}`, ...rest.map((line) => " ".repeat(9) + line));
  }
  lines.push("", "Checks", "");
  for (const { name, invariants, mode, runs, needs = [], without } of CHECKS) {
    const claims = [...needs, ...(without === undefined ? [] : [`not ${without}`])];
    const where = claims.length === 0 ? "" : `, only if ${claims.join(" and ")}`;
    lines.push(
      `  ${name.padEnd(34)} ${invariants.join(" ")}: ${mode}, ${runs} ${runs === 1 ? "run" : "runs"}${where}`,
    );
  }
  lines.push("", "Invariants of a server (--server URL)", "");
  for (const { id, says } of SERVER_INVARIANTS) {
    const [first = "", ...rest] = wrap(says, 98);
    lines.push(`  ${id.padEnd(7)}${first}`, ...rest.map((line) => " ".repeat(9) + line));
  }
  lines.push("", "Checks of a server", "");
  for (const { name, invariants, mode, runs } of SERVER_CHECKS) {
    lines.push(
      `  ${name.padEnd(34)} ${invariants.join(" ")}: ${mode}, ${runs} ${runs === 1 ? "run" : "runs"}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
