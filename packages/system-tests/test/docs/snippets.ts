/** Runs TypeScript from documents, as it is written there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { run, type Outcome } from "./child.js";
import { ROOT, type CodeBlock } from "./markdown.js";

/** Inside of this package, so that the project's packages and `ai` are found from there. */
const WORKSPACE = fileURLToPath(new URL("../../.tmp/", import.meta.url));
const PRELUDE = new URL("./prelude.ts", import.meta.url).href;

/** A folder of modules that is gone with the test. */
export class SnippetFolder implements Disposable {
  readonly #path: string;

  constructor() {
    mkdirSync(WORKSPACE, { recursive: true });
    this.#path = mkdtempSync(path.join(WORKSPACE, "snippet-"));
  }

  write(name: string, text: string): void {
    const file = path.join(this.#path, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Runs a module, with the names of `prelude.ts` at hand. */
  async run(name: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
    const args = ["--disable-warning=ExperimentalWarning", "--import", PRELUDE, name];
    return run(process.execPath, args, { cwd: this.#path, env });
  }

  /** Whether a module is correct under the project's own compiler settings; the compiler's words where it is not. */
  async check(name: string, lib: readonly string[] = []): Promise<Outcome> {
    const options = {
      extends: path.join(ROOT, ".config/tsconfig.base.json"),
      compilerOptions: {
        lib: ["ES2024", "ESNext.Disposable", ...lib],
        noEmit: true,
        composite: false,
        declaration: false,
        declarationMap: false,
        // Documents show values without using them.
        noUnusedLocals: false,
        allowImportingTsExtensions: true,
      },
      files: [name, "globals.d.ts"],
    };
    this.write("tsconfig.json", JSON.stringify(options));
    this.write("globals.d.ts", GLOBALS);
    return run("tsc", ["-p", "tsconfig.json"], { cwd: this.#path });
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true });
  }
}

/** Types of what `prelude.ts` provides. */
const GLOBALS = `
declare module "@ai-sdk/openai" {
  export function openai(modelId: string): import("ai").LanguageModel;
}
declare var openai: (modelId: string) => import("ai").LanguageModel;
declare var model: import("ai").LanguageModel;
declare var generateText: typeof import("ai").generateText;
declare var compactLater: (id: string) => Promise<void>;
declare var ctx: import("@fastpaca/fastpaca").Context;
declare var message: import("@fastpaca/fastpaca").MessageInput;
declare var version: number;
declare var lastVersion: number;
declare var signal: AbortSignal;
declare var mirror: (message: import("@fastpaca/fastpaca").Message) => Promise<void>;
declare var startOver: (id: string) => Promise<void>;
`;

/** Statements that stand on lines of their own up to a semicolon at the end of one. */
const IMPORT = /^import\s[^;]*;$/gm;

/**
 * One module of all the blocks, their text unchanged. Imports go to the top. Each block is put in a scope inside of the
 * one before, so that it sees the earlier names and may declare them again.
 */
export function moduleOf(blocks: readonly CodeBlock[]): string {
  const imports = blocks.flatMap(({ text }) => text.match(IMPORT) ?? []);
  const bodies = blocks.map(({ text }) => text.replaceAll(IMPORT, ""));
  return `${imports.join("\n")}\nexport {};\n${bodies.join("\n{\n")}\n${"}".repeat(Math.max(0, bodies.length - 1))}\n`;
}
