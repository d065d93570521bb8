import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { ServerReply, ServerRequest } from "./server-process.js";

/** A server in a child process. */
export class Subject implements AsyncDisposable {
  readonly #child: ChildProcess;
  #port = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(server: "bare" | "fastpaca"): Promise<Subject> {
    const subject = new Subject(fork(new URL("./server-process.js", import.meta.url)));
    const { port } = await subject.ask({ do: "start", server });
    subject.#port = port ?? 0;
    return subject;
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
    return answer ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.kill();
    await exited;
  }
}
