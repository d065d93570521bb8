import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { StartedTestContainer } from "testcontainers";
import { initiateReplicaSet } from "./mongodb-replica-set.js";
import type { RunningMongo } from "./mongodb.js";

const IMAGE = "mongo:8.0";
/** Longest that a daemon may take to say that it is there, in milliseconds. */
const DAEMON_DEADLINE = 5_000;
/** Longest that fetching the image and starting it may take, in milliseconds. */
const START_DEADLINE = 180_000;

/**
 * Starts a replica set of one node in a container.
 * @returns `undefined` where no daemon answers
 * @throws where one answers, but the container does not come up
 */
export async function startMongoContainer(): Promise<RunningMongo | undefined> {
  if (!daemonIsLikely()) return undefined;
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import("testcontainers");
  try {
    await before(DAEMON_DEADLINE, getContainerRuntimeClient());
  } catch {
    return undefined; // A socket without a daemon behind it is an ordinary machine, not a failure.
  }
  const starting = new GenericContainer(IMAGE)
    .withCommand(["mongod", "--replSet", "fastpaca", "--bind_ip_all"])
    .withExposedPorts(27017)
    .withWaitStrategy(Wait.forLogMessage(/Waiting for connections/u))
    .withStartupTimeout(60_000)
    .start();
  let container: StartedTestContainer;
  try {
    container = await before(START_DEADLINE, starting);
  } catch (error) {
    starting
      .then(
        (late) => late.stop(),
        () => undefined,
      )
      .catch((stopping: unknown) => console.warn("a container that came up too late did not stop", stopping));
    throw new Error(`Docker answers, but ${IMAGE} did not start in it`, { cause: error });
  }
  const url = `mongodb://${container.getHost()}:${container.getMappedPort(27017)}/?directConnection=true`;
  let stopped: Promise<unknown> | undefined;
  const stop = async (): Promise<void> => {
    stopped ??= container.stop();
    await stopped;
  };
  try {
    await initiateReplicaSet(url, "127.0.0.1:27017");
  } catch (error) {
    await stop();
    throw error;
  }
  return { kind: "container", url, tcpUrl: url, stop };
}

function daemonIsLikely(): boolean {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  return (
    process.env["DOCKER_HOST"] !== undefined ||
    existsSync("/var/run/docker.sock") ||
    existsSync(join(homedir(), ".docker/run/docker.sock")) ||
    existsSync(join(homedir(), ".testcontainers.properties")) ||
    (runtime !== undefined && existsSync(join(runtime, "docker.sock")))
  );
}

async function before<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing happened in ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
