import { jsonlSubject } from "./jsonl-driver.js";
import { JSONL } from "./mutants/jsonl.js";

const name = new URL(import.meta.url).searchParams.get("mutant") ?? "jsonl";

/** The mutant of the example driver that the URL of this module names; the driver itself where it names none. */
export default JSONL.find((mutant) => mutant.name === name)?.subject ?? jsonlSubject(name);
