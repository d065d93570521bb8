// A process that has a driver open and does what its parent says, until it is killed. It imports nothing of the kit, so
// that Node runs it from its source, too.
import type { Driver } from "@fastpaca/core";
import type { DriverUnderTest } from "../subject.js";
import type { Death, Failed, Reply, Request } from "./protocol.js";

type Open = (url: string) => Promise<Driver>;

let driver: Driver | undefined;
let death: Death | undefined;
/** Commits that were begun and answered since the order to die. */
const commits = { begun: 0, answered: 0 };
/** Milliseconds that the latest commits took. */
const lengths: number[] = [];

function say(reply: Reply): void {
  process.send?.(reply);
}

function failed(error: unknown): Failed {
  return {
    message: error instanceof Error ? error.message : String(error),
    unavailable: error instanceof Error && error.name === "DriverUnavailableError",
  };
}

/** Ends this process in the middle of whatever it does, some lengths of a commit from now. */
function dieLater(later: number): void {
  const usual = [...lengths].sort((a, b) => a - b)[Math.floor(lengths.length / 2)] ?? 1;
  const end = performance.now() + later * usual;
  const wait = (): void => {
    if (performance.now() >= end) process.kill(process.pid, "SIGKILL");
    else setImmediate(wait);
  };
  wait();
}

async function commit(call: () => Promise<unknown>, answer: (result: unknown) => void): Promise<void> {
  const started = performance.now();
  commits.begun += 1;
  const running = call();
  if (death?.when === "invoked" && death.commit === commits.begun) dieLater(death.later);
  const result = await running;
  lengths.push(performance.now() - started);
  if (lengths.length > 16) lengths.shift();
  answer(result);
  commits.answered += 1;
  if (death?.when === "answered" && death.commit === commits.answered) dieLater(death.later);
}

async function call({ number, method, args }: Extract<Request, { type: "call" }>): Promise<void> {
  const answer = (result: unknown): void => say({ type: "answer", number, result });
  try {
    if (driver === undefined) throw new Error("the driver is not open");
    const work: unknown = Reflect.get(driver, method);
    if (typeof work !== "function") throw new TypeError(`the driver has no ${method}`);
    const begin = async (): Promise<unknown> => Reflect.apply(work, driver, args);
    if (method === "commit") await commit(begin, answer);
    else answer(await begin());
  } catch (error) {
    say({ type: "rejection", number, failed: failed(error) });
  }
}

async function openDriver(open: Open, url: string): Promise<void> {
  try {
    driver = await open(url);
    const { name, traits, limits } = driver;
    say({
      type: "opened",
      driver: {
        name,
        traits: { durable: traits.durable, shared: traits.shared },
        limits: { maxCommitBytes: limits.maxCommitBytes, maxBatch: limits.maxBatch },
      },
    });
  } catch (error) {
    say({ type: "refused", failed: failed(error) });
  }
}

/** What the module's default export opens the driver with. @throws TypeError where it has none */
function opener({ default: subject }: { readonly default?: Partial<DriverUnderTest> }): Open {
  const open = subject?.open;
  if (typeof open !== "function") throw new TypeError("its default export has no open(url)");
  return (url) => open.call(subject, url);
}

async function main(module: string): Promise<void> {
  // Nobody is left who could end this process, or hear what it says.
  process.on("disconnect", () => process.exit(0));
  let open: Open;
  try {
    open = opener(await import(module));
  } catch (error) {
    say({ type: "broken", failed: failed(error) });
    return;
  }
  process.on("message", (request: Request) => {
    switch (request.type) {
      case "open":
        void openDriver(open, request.url);
        break;
      case "call":
        void call(request);
        break;
      case "die":
        ({ death } = request);
        Object.assign(commits, { begun: 0, answered: 0 });
        break;
    }
  });
  say({ type: "ready" });
}

await main(process.argv[2] ?? "");
