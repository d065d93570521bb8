import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { INVARIANTS } from "../src/catalogue.js";
import { invariantsPage } from "../src/report/invariants-page.js";

test("docs/invariants.md is what the catalogue says; pnpm invariants writes it", () => {
  const page = readFileSync(new URL("../../docs/invariants.md", import.meta.url), "utf8");
  expect(page).toBe(invariantsPage());
});

test("every invariant has a row, a family with a name, and a link to what rests on it", () => {
  const page = invariantsPage();
  for (const { id, says } of INVARIANTS) {
    const row = page.split("\n").find((line) => line.startsWith(`| ${id} |`));
    expect(row).toContain(says);
    expect(row).toMatch(/\[[^\]]+\]\((?:\.\.\/packages\/core\/src\/driver\.ts|semantics\.md)\) \|$/);
  }
  expect(page).not.toMatch(/^## (\w+): \1$/m);
});
