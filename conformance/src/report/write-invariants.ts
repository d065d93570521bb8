import { writeFileSync } from "node:fs";
import { invariantsPage } from "./invariants-page.js";

writeFileSync(new URL("../../../docs/invariants.md", import.meta.url), invariantsPage());
