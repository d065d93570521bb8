import type { Driver } from "@fastpaca/core";

type Method = "heads" | "commit" | "messages" | "marks";

/** Holds up what a driver answers, or what it is asked, while it is shut. */
export class Gate {
  #shut: PromiseWithResolvers<void> | undefined;
  /** Calls that have come to the gate while it was shut. */
  #arrived = Promise.withResolvers<void>();

  shut(): void {
    this.#shut = Promise.withResolvers();
    this.#arrived = Promise.withResolvers();
  }

  open(): void {
    this.#shut?.resolve();
    this.#shut = undefined;
  }

  /** Resolves when somebody waits before the gate. */
  get arrived(): Promise<void> {
    return this.#arrived.promise;
  }

  async pass(): Promise<void> {
    if (this.#shut === undefined) return;
    this.#arrived.resolve();
    await this.#shut.promise;
  }

  /** The same driver, whose answers to one kind of call wait behind the gate. */
  behind(driver: Driver, method: Method): Driver {
    const late = async <T>(answer: Promise<T>): Promise<T> => {
      const result = await answer;
      await this.pass();
      return result;
    };
    switch (method) {
      case "heads":
        return { ...driver, heads: (ids) => late(driver.heads(ids)) };
      case "commit":
        return { ...driver, commit: (commits) => late(driver.commit(commits)) };
      case "messages":
        return { ...driver, messages: (id, from, to) => late(driver.messages(id, from, to)) };
      case "marks":
        return { ...driver, marks: (id, after, limit) => late(driver.marks(id, after, limit)) };
    }
  }
}
