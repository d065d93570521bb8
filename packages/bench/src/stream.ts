import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { median } from "./load.js";
import { RawSubscriber } from "./raw-subscriber.js";
import { Subject } from "./subject.js";
import { message } from "./workload.js";

const SUBSCRIBERS = 500;
const WRITERS = 64;
/** Subscribers whose frames are looked into, to time them. */
const TIMED = 5;

interface Figures {
  readonly framesPerSecond: number;
  readonly appendsPerSecond: number;
  /** Part of one processor that the server was busy with. */
  readonly busy: number;
  /** Milliseconds from an append's acknowledgement to its frame; negative where the frame came first. */
  readonly delayP50: number;
  readonly delayP99: number;
}

/**
 * Fan-out to many subscribers of one conversation, against a bare server that validates the same appends and
 * broadcasts the same frames with the same WebSocket library and does nothing else.
 */
export async function benchmarkStream(short: boolean): Promise<void> {
  const seconds = short ? 1 : 5;
  const rounds = short ? 1 : 5;
  const runs: [Figures, Figures][] = [];
  for (let round = 0; round <= rounds; round++) {
    const pair: [Figures, Figures] = [await measure("bare", seconds), await measure("fastpaca", seconds)];
    // The first round only warms up the machine.
    if (round > 0) runs.push(pair);
  }
  const of = (side: 0 | 1, figure: keyof Figures): number => median(runs.map((pair) => pair[side][figure]));
  console.log(`${SUBSCRIBERS} subscribers of one conversation, ${WRITERS} writers, messages of 100 bytes`);
  console.log(
    `\n${"".padEnd(12)}${["frames/s", "appends/s", "busy", "delay p50", "delay p99"].map((name) => name.padStart(12)).join("")}`,
  );
  for (const [side, name] of [
    [0, "bare ws"],
    [1, "fastpaca"],
  ] as const) {
    const cells = [
      of(side, "framesPerSecond").toFixed(0),
      of(side, "appendsPerSecond").toFixed(0),
      of(side, "busy").toFixed(2),
      `${of(side, "delayP50").toFixed(1)} ms`,
      `${of(side, "delayP99").toFixed(1)} ms`,
    ];
    console.log(`${name.padEnd(12)}${cells.map((cell) => cell.padStart(12)).join("")}`);
  }
  const ratio = median(runs.map(([bare, ours]) => ours.framesPerSecond / bare.framesPerSecond));
  console.log(`\nfan-out: ${(100 * ratio).toFixed(0)} % of the bare server's`);
}

/** Each measurement has a server of its own, so that neither side's memory grows over the rounds. */
async function measure(server: "bare" | "fastpaca", seconds: number): Promise<Figures> {
  await using subject = await Subject.start(server);
  await subject.ask({ do: "fill", prefix: "s", contexts: 1, messages: 0 });
  const stream = new URL(subject.url("/v1/conversations/s0/stream"));
  const acknowledged = new Map<number, number>();
  const received: { version: number; at: number }[] = [];
  const subscribers: RawSubscriber[] = [];
  const timed = (frame: string): void => {
    received.push({ version: Number(/"version":(\d+)/.exec(frame)?.[1]), at: performance.now() });
  };
  for (let count = 0; count < SUBSCRIBERS; count++) {
    subscribers.push(await RawSubscriber.open(stream, count < TIMED ? timed : undefined));
  }
  const agent = new Agent({ keepAlive: true, maxSockets: WRITERS });
  const total = (): number => subscribers.reduce((sum, { frames }) => sum + frames, 0);
  const before = await subject.ask({ do: "cpu" });
  const started = performance.now();
  const end = started + seconds * 1000;
  const write = async (): Promise<void> => {
    while (performance.now() < end) {
      const version = await append(subject.url("/v1/conversations/s0/messages"), agent);
      acknowledged.set(version, performance.now());
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
  const frames = total();
  const elapsed = (performance.now() - started) / 1000;
  const after = await subject.ask({ do: "cpu" });
  for (const subscriber of subscribers) subscriber.close();
  agent.destroy();
  const delays = received
    .flatMap(({ version, at }) => at - (acknowledged.get(version) ?? NaN))
    .filter((delay) => !Number.isNaN(delay))
    .sort((a, b) => a - b);
  return {
    framesPerSecond: frames / elapsed,
    appendsPerSecond: acknowledged.size / elapsed,
    busy: ((after.cpu ?? 0) - (before.cpu ?? 0)) / elapsed,
    delayP50: delays[Math.floor(delays.length / 2)] ?? NaN,
    delayP99: delays[Math.floor(delays.length * 0.99)] ?? NaN,
  };
}

async function append(url: string, agent: Agent): Promise<number> {
  const body = JSON.stringify({ message: message(1) });
  const answer = await new Promise<string>((resolve, reject) => {
    const sent = request(
      url,
      {
        method: "POST",
        agent,
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      },
      (response) => {
        text(response).then(resolve, reject);
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
  const { version }: { version: number } = JSON.parse(answer);
  return version;
}
