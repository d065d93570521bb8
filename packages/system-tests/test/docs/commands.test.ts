import { expect, onTestFinished, test } from "vitest";
import { BACKENDS, type Backend } from "../http/backends.js";
import { run } from "./child.js";
import { curlHome } from "./curl.js";
import { startByCommand } from "./documented-server.js";
import { readMarkdown, ROOT, type CodeBlock } from "./markdown.js";
import { shown } from "./shown.js";

/** More than the start of a server may take. */
const TIMEOUT = 120_000;

interface Case {
  readonly file: string;
  /** What the reader has chosen. */
  readonly name: string;
  readonly backend?: Backend;
}

const CASES: readonly Case[] = [
  { file: "README.md", name: "the default" },
  { file: "docs/quick-start.md", name: "the default" },
  ...BACKENDS.map((backend) => ({ file: "docs/quick-start.md", name: backend.name, backend })),
];

test.each(CASES)(
  "$file: its commands give the answers that it shows, over $name",
  async ({ file, backend }) => {
    for (const tool of ["bash", "curl"]) await run(tool, ["--version"], { cwd: ROOT });
    const { blocks } = readMarkdown(file);
    const database = await backend?.createDatabase();
    onTestFinished(() => database?.drop());
    using home = curlHome(await startByCommand(startCommand(blocks), database?.url));
    const commands = commandsOf(blocks);
    expect(commands.length, "commands in the document").toBeGreaterThanOrEqual(3);
    for (const { command, answer } of commands) {
      const at = `${file}:${command.line}`;
      const { status, stdout, stderr } = await run("bash", ["-c", command.text], {
        cwd: ROOT,
        env: { CURL_HOME: home.path },
      });
      expect({ status, stdout }, `${at} ${stderr}`).toMatchObject({ status: 0 });
      const answered: unknown = JSON.parse(stdout);
      if (answer !== undefined) expect(answered, `${file}:${answer.line}`).toMatchObject(shown(answer.text));
    }
  },
  TIMEOUT,
);

/** The line of the document that starts a server. */
function startCommand(blocks: readonly CodeBlock[]): string {
  const lines = blocks.filter(({ language }) => language === "bash").flatMap(({ text }) => text.split("\n"));
  const command = lines.find((line) => line.startsWith("npm start"));
  if (command === undefined) throw new Error("the document does not say how to start a server");
  return command;
}

interface Command {
  readonly command: CodeBlock;
  /** The JSON that the document shows behind it, if it does. */
  readonly answer: CodeBlock | undefined;
}

function commandsOf(blocks: readonly CodeBlock[]): Command[] {
  return blocks.flatMap((command, index) => {
    if (command.language !== "bash" || !command.text.startsWith("curl ")) return [];
    const next = blocks[index + 1];
    return [{ command, answer: next?.language === "json" ? next : undefined }];
  });
}
