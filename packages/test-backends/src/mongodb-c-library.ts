import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What the engine's binary was linked against. */
const NEEDED = [2, 38] as const;
/** Longest that fetching the packages may take, in milliseconds. */
const FETCH_DEADLINE = 90_000;

/** What to put before a command line so that it runs with a C library that is new enough for the engine. */
export type Launcher = readonly string[];

/**
 * Nothing where the system's C library will do. On an older Debian, a later one is fetched once, kept beside the
 * installed packages, and used through its own loader.
 * @throws where the system has none that will do and none can be fetched
 */
export async function cLibraryLauncher(): Promise<Launcher> {
  const present = systemVersion();
  if (present === undefined || !older(present)) return [];
  const architecture = process.arch === "arm64" ? "aarch64" : "x86_64";
  const folder = join(cacheFolder(), `c-library-${process.arch}`);
  const libraries = `usr/lib/${architecture}-linux-gnu`;
  const loader = join(
    folder,
    libraries,
    process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2",
  );
  if (!existsSync(loader)) await fetchInto(folder, present);
  if (!existsSync(loader)) throw new Error(`the newer C library in ${folder} has no ${loader}`);
  return [loader, "--library-path", `${join(folder, libraries)}:/${libraries}`];
}

async function fetchInto(folder: string, present: string): Promise<void> {
  const script = fileURLToPath(new URL("../scripts/newer-c-library.sh", import.meta.url));
  try {
    await promisify(execFile)("bash", [script, folder], { timeout: FETCH_DEADLINE });
  } catch (error) {
    throw new Error(
      `the MongoDB engine needs glibc ${NEEDED.join(".")}, this system has ${present}, and a newer one cannot be fetched`,
      { cause: error },
    );
  }
}

/** `undefined` where the C library is not glibc. */
function systemVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

function older(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < NEEDED[0] || (major === NEEDED[0] && minor < NEEDED[1]);
}

function cacheFolder(): string {
  const beside = fileURLToPath(new URL("../node_modules", import.meta.url));
  const folder = existsSync(beside)
    ? join(beside, ".cache")
    : join(tmpdir(), `fastpaca-test-backends-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
