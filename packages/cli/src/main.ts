#!/usr/bin/env node
import { serve, SERVE_HELP } from "./serve.js";
import { SettingsError } from "./settings.js";

const HELP = `Usage: fastpaca COMMAND [flags]

  serve    serve contexts and conversations over HTTP

fastpaca COMMAND --help tells more.
`;

async function main([command, ...args]: readonly string[]): Promise<void> {
  const help = args.includes("--help") || args.includes("-h");
  switch (command) {
    case "serve":
      if (help) process.stdout.write(SERVE_HELP);
      else await serve(args);
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
  // What was set wrongly is told in one line; anything else with all that is known of it.
  console.error(error instanceof SettingsError ? `fastpaca: ${error.message}` : error);
  process.exitCode = error instanceof SettingsError ? 2 : 1;
}
