import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { ERROR_CODES } from "@fastpaca/core";
import { beforeAll, describe, expect, test } from "vitest";
import { run } from "./child.js";
import { localServer } from "./documented-server.js";
import { plain, readMarkdown, ROOT, type TableRow } from "./markdown.js";

/** The cells of all tables of a document whose first columns are named so. */
function rowsOf(file: string, ...columns: string[]): string[][] {
  const isWanted = ({ header }: TableRow): boolean =>
    columns.every((column, index) => header[index] === column);
  const rows = readMarkdown(file).rows.filter(isWanted);
  return rows.map(({ cells }) => cells.map((cell) => cell.trim()));
}

test("docs/errors.md lists every error code, and no other", () => {
  const listed = rowsOf("docs/errors.md", "code", "status", "meaning");
  const known = Object.entries(ERROR_CODES).map(([code, { status, meaning }]) => [
    `\`${code}\``,
    String(status),
    meaning,
  ]);
  expect(listed).toEqual(known);
});

test("docs/http-api.md lists every setting of fastpaca serve, and no other", async () => {
  const main = path.join(ROOT, "packages/cli/dist/main.js");
  const { stdout } = await run(process.execPath, [main, "serve", "--help"], { cwd: ROOT });
  const known = [...stdout.matchAll(/^ {2}(--\S+ \S+)? +(FASTPACA_\w+) +(.*) \(default: (.*)\)$/gm)].map(
    ([, flag = "", variable = "", meaning = "", fallback = ""]) => [flag, variable, meaning, fallback],
  );
  expect(known.length).toBeGreaterThan(0);
  // Nothing in the help that the pattern above does not know.
  expect(known.length).toBe(stdout.split("\n").filter((line) => line.includes("FASTPACA_")).length);
  const listed = rowsOf("docs/http-api.md", "flag", "variable", "meaning", "default");
  expect(listed.map((row) => row.map(plain))).toEqual(known);
});

describe("docs/http-api.md against the server", () => {
  let openapi: OpenApi;
  let metrics: string;
  const document = readMarkdown("docs/http-api.md");

  beforeAll(async () => {
    await using server = await localServer();
    const origin = new URL(server.url).origin;
    openapi = JSON.parse(await (await fetch(`${origin}/openapi.json`)).text());
    metrics = await (await fetch(`${origin}/metrics`)).text();
  });

  test("lists every route, and no other", () => {
    const served = Object.entries(openapi.paths).flatMap(([route, methods]) =>
      Object.keys(methods).map((method) => nameOf(method, route)),
    );
    // The description does not describe itself.
    const listed = document.headings.flatMap(routesIn).filter((route) => route !== "GET /openapi.json");
    expect(listed.sort()).toEqual(served.sort());
  });

  test("lists every parameter, body field and header, and no other", () => {
    for (const { heading, operation } of operations()) {
      const { parameters = [], requestBody } = operation;
      const named = (place: string): string[] =>
        parameters.filter((it) => it.in === place).map(({ name }) => name);
      const inTable = (column: string): string[] => firstCells(heading, column);
      const bodySchema = requestBody?.content["application/json"]?.schema;
      expect(inTable("query parameter"), heading).toEqual(named("query"));
      expect(inTable("body field").sort(), heading).toEqual(Object.keys(bodySchema?.properties ?? {}).sort());
      expect(
        inTable("header").map((name) => name.toLowerCase()),
        heading,
      ).toEqual(named("header"));
    }
  });

  test("shows answers with the fields that the server sends", () => {
    for (const { heading, operation } of operations()) {
      const block = document.blocks.find((it) => it.heading === heading && it.language === "json");
      if (block === undefined) continue;
      const answer = operation.responses["201"] ?? operation.responses["200"];
      const schema = answer?.content?.["application/json"]?.schema;
      const shown: unknown = JSON.parse(block.text);
      if (typeof shown !== "object" || shown === null) throw new Error(`${heading}: not an object`);
      const fields = Object.keys(shown);
      expect(Object.keys(schema?.properties ?? {}), heading).toEqual(expect.arrayContaining(fields));
      expect(fields, heading).toEqual(expect.arrayContaining([...(schema?.required ?? [])]));
    }
  });

  test("lists every metric, and no other", () => {
    const listed = rowsOf("docs/http-api.md", "metric").map(
      ([name = "", kind = ""]) => `${plain(name)} ${kind}`,
    );
    const served = [...metrics.matchAll(/^# TYPE (\S+ \S+)$/gm)].map(([, named = ""]) => named);
    expect(listed.sort()).toEqual(served.sort());
  });

  /** Every operation with the heading that it is documented under. */
  function operations(): { heading: string; operation: Operation }[] {
    return document.headings.flatMap((heading) =>
      routesIn(heading).flatMap((name) =>
        Object.entries(openapi.paths).flatMap(([route, methods]) =>
          Object.entries(methods)
            .filter(([method]) => nameOf(method, route) === name)
            .map(([, operation]) => ({ heading, operation })),
        ),
      ),
    );
  }

  function firstCells(heading: string, column: string): string[] {
    return document.rows
      .filter((row) => row.heading === heading && row.header[0] === column)
      .map(({ cells: [first = ""] }) => plain(first));
  }
});

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Partial<Content>>>;
}

interface Content {
  readonly content: Readonly<Record<string, { readonly schema?: Schema }>>;
}

interface Schema {
  readonly properties?: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

function nameOf(method: string, route: string): string {
  return `${method.toUpperCase()} ${route.replaceAll(/\{(\w+)\}/g, ":$1")}`;
}

/** The routes that a heading names: `GET /v1/{contexts|conversations}/:id` names two. */
function routesIn(heading: string): string[] {
  const [, method, route = ""] = /^`([A-Z]+) (\S+)`$/.exec(heading) ?? [];
  if (method === undefined) return [];
  const [, before = "", choices, after = ""] = /^(.*)\{(.*)\}(.*)$/.exec(route) ?? [];
  if (choices === undefined) return [`${method} ${route}`];
  return choices.split("|").map((choice) => `${method} ${before}${choice}${after}`);
}

describe("published packages", () => {
  interface Manifest {
    readonly name: string;
    readonly private?: boolean;
  }
  const published = globSync("{packages/*,conformance}/package.json", { cwd: ROOT })
    .map((file): { file: string; manifest: Manifest } => ({
      file,
      manifest: JSON.parse(readFileSync(path.join(ROOT, file), "utf8")),
    }))
    .filter(({ manifest }) => manifest.private !== true);

  test("are the ones that README.md lists, each with a README of its own", () => {
    const listed = rowsOf("README.md", "package").map(([cell = ""]) => cell);
    const expected = published.map(
      ({ file, manifest }) => `[\`${manifest.name}\`](${path.dirname(file)}/README.md)`,
    );
    expect(listed.sort()).toEqual(expected.sort());
  });
});
