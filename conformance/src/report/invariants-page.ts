import { INVARIANTS, type Invariant } from "../catalogue.js";

const FAMILIES: Readonly<Record<string, string>> = {
  SEQ: "Positions of messages",
  VER: "Heads: revisions, lives and versions",
  CAS: "Compare-and-set",
  GAP: "No holes",
  CMP: "Marks: compactions, resets, configurations",
  KEY: "Idempotency keys",
  ISO: "Isolation",
  FID: "Fidelity of text",
  LST: "Listing",
  TMB: "Tombstones and purges",
  TRM: "Trimming",
  DUR: "Durability",
  WCH: "Hints",
  ERR: "Errors and the end",
  LIM: "Limits",
};

/** The page about the catalogue in the folder `docs`, as Markdown. */
export function invariantsPage(): string {
  const entries: readonly Invariant[] = INVARIANTS;
  const lines = [
    "# Invariants",
    "",
    "Every promise that the conformance kit holds a storage driver to. Reports, `--only` and other people's CI speak of them by",
    "their ids, which are stable. This page is generated from the catalogue of the kit (`pnpm invariants`).",
    "",
    "What stands under *where* needs a trait that the driver claims, or that it does not claim; the rest is checked of every driver.",
    "`network` is not claimed: it holds where the URL of the database names a host.",
  ];
  for (const family of new Set(entries.map(({ id }) => familyOf(id)))) {
    lines.push(
      "",
      `## ${family}: ${FAMILIES[family] ?? family}`,
      "",
      "| id | what always holds | where | rests on |",
      "|---|---|---|---|",
    );
    for (const { id, says, rule, trait, without } of entries.filter(
      (entry) => familyOf(entry.id) === family,
    )) {
      const where =
        trait === undefined ? (without === undefined ? "" : `not \`${without}\``) : `\`${trait}\``;
      lines.push(`| ${id} | ${says} | ${where} | ${linked(rule)} |`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function familyOf(id: string): string {
  return id.slice(0, id.indexOf("-"));
}

/** `What (where/it/is.md)` as a link from the folder `docs`. */
function linked(rule: string): string {
  const [, what, file] = /^(.*) \((\S+)\)$/.exec(rule) ?? [];
  if (what === undefined || file === undefined) return rule;
  return `[${what}](${file.startsWith("docs/") ? file.slice("docs/".length) : `../${file}`})`;
}
