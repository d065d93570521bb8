// A process that plays the kit on one driver: node child.js NAME SEED…, a line of JSON for each seed.
import { CORRECT, MUTANTS } from "./index.js";
import { play } from "./play.js";

const [name, ...seeds] = process.argv.slice(2);
const subject =
  MUTANTS.find((mutant) => mutant.name === name)?.subject ?? CORRECT.find((driver) => driver.name === name);
if (subject === undefined) throw new Error(`there is no driver ${name}`);
for (const seed of seeds) console.log(JSON.stringify(await play(subject, Number(seed))));
// A driver that is wrong may have left something running.
process.exit();
