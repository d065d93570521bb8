import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { ServerName, ServerReply, ServerRequest } from "./server-process.js";

/** A server in a child process. */
export class Subject implements AsyncDisposable {
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param store URL of the database of a server that has one */
  static async start(server: ServerName, store = "memory:"): Promise<Subject> {
    const subject = Subject.idle();
    const { port } = await subject.ask({ do: "start", server, store });
    subject.#port = port ?? 0;
    return subject;
  }

  /** A process that serves nothing yet. */
  static idle(): Subject {
    return new Subject(fork(new URL("./server-process.js", import.meta.url)));
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** Requests are answered one at a time, in order. */
  async ask(request: ServerRequest): Promise<ServerReply> {
    const reply = once(this.#child, "message");
    this.#child.send(request);
    // The child sends nothing else.
    const [answer]: ServerReply[] = await reply;
    if (answer?.error !== undefined) throw new Error(`a benchmark's server failed: ${answer.error}`);
    return answer ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill();
    await exited;
  }
}
