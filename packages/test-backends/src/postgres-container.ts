import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { PostgresServer } from "./postgres.js";

const IMAGE = "postgres:18-alpine";
/** A daemon that is there answers at once. */
const DAEMON_DEADLINE = 5_000;
/** Getting the image over a slow line, in milliseconds. */
const START_DEADLINE = 120_000;

/**
 * Starts a container; undefined where no container daemon answers.
 * @throws when a daemon answers but cannot start it, for example because it cannot get the image
 */
export async function startContainer(): Promise<Omit<PostgresServer, "createDatabase"> | undefined> {
  if (!mayHaveDaemon()) return undefined;
  const { getContainerRuntimeClient } = await import("testcontainers");
  try {
    await within(getContainerRuntimeClient(), DAEMON_DEADLINE, "the container daemon did not answer");
  } catch (error) {
    if (process.env["DOCKER_HOST"] !== undefined) throw error;
    return undefined;
  }
  const { PostgreSqlContainer } = await import("@testcontainers/postgresql");
  const starting = new PostgreSqlContainer(IMAGE).start();
  try {
    const container = await within(starting, START_DEADLINE, `${IMAGE} did not start`);
    let stopped: Promise<void> | undefined;
    return {
      origin: `container ${IMAGE}`,
      url: container.getConnectionUri(),
      stop: () => (stopped ??= container.stop().then(() => undefined)),
    };
  } catch (error) {
    // One that starts after all is not wanted any more; why it did not is told by the error below.
    starting.then((container) => container.stop()).catch(() => undefined);
    throw new Error(`a container daemon answers but cannot run ${IMAGE}: ${String(error)}`, { cause: error });
  }
}

/** Loading the client takes longer than looking whether there is anything for it to talk to. */
function mayHaveDaemon(): boolean {
  const { DOCKER_HOST, TESTCONTAINERS_HOST_OVERRIDE, XDG_RUNTIME_DIR = "/nonexistent" } = process.env;
  if (DOCKER_HOST !== undefined || TESTCONTAINERS_HOST_OVERRIDE !== undefined || process.platform === "win32")
    return true;
  const home = homedir();
  return [
    "/var/run/docker.sock",
    join(XDG_RUNTIME_DIR, "docker.sock"),
    join(home, ".docker", "run", "docker.sock"),
    join(home, ".docker", "desktop", "docker.sock"),
    join(home, ".testcontainers.properties"),
  ].some((path) => existsSync(path));
}

function within<T>(promise: Promise<T>, ms: number, otherwise: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${otherwise} within ${ms} ms`)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
