import type { DestinationStream } from "pino";
import pinoPretty from "pino-pretty";

/** Log lines for people: time, level, message. */
export function pretty(): DestinationStream {
  return pinoPretty({ colorize: process.stdout.isTTY, translateTime: "SYS:HH:MM:ss", sync: true });
}
