#!/usr/bin/env node
import { FastpacaError } from "@fastpaca/fastpaca";
import { migrate, MIGRATE_HELP } from "./migrate.js";
import { packageVersion, serve, SERVE_HELP } from "./serve.js";
import { SettingsError } from "./settings.js";
import { tail, TAIL_HELP } from "./tail.js";

const HELP = `Usage: fastpaca COMMAND [flags]

  serve      serve contexts and conversations over HTTP
  tail ID    print what happens to one of them, as it happens
  migrate    prepare the tables of a store

fastpaca COMMAND --help tells more, fastpaca --version which one this is.
`;

async function main([command, ...args]: readonly string[]): Promise<void> {
  const help = args.includes("--help") || args.includes("-h");
  switch (command) {
    case "serve":
      if (help) process.stdout.write(SERVE_HELP);
      else await serve(args);
      return;
    case "tail":
      if (help) process.stdout.write(TAIL_HELP);
      else await tail(args, process.env);
      return;
    case "migrate":
      if (help) process.stdout.write(MIGRATE_HELP);
      else await migrate(args, process.env);
      return;
    case "--version":
    case "-v":
      process.stdout.write(`${packageVersion()}\n`);
      return;
    case undefined:
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(HELP);
      return;
    default:
      throw new SettingsError(`there is no command ${command}; see fastpaca --help`);
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  // What was set wrongly, or a server refused, is told in one line; anything else with all that is known of it.
  const told = error instanceof SettingsError || FastpacaError.is(error);
  console.error(told ? `fastpaca: ${error.message}` : error);
  process.exitCode = error instanceof SettingsError ? 2 : 1;
}
