import { expect, test } from "vitest";
import { CORRECT, IN_PROCESS, MUTANTS } from "../src/index.js";
import { describeCaught, describePassing } from "./caught.js";

describeCaught(IN_PROCESS);
describePassing(CORRECT);

test("names tell drivers apart", () => {
  const names = [...MUTANTS, ...CORRECT].map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
