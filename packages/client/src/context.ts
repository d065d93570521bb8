import { Conversation, shaped, withMessages } from "./conversation.js";
import type { Transport } from "./transport.js";
import type {
  CompactOptions,
  ContextRecord,
  MessageInput,
  Metadata,
  RequestOptions,
  VersionResult,
  WindowOptions,
  WindowResult,
} from "./types.js";

/** A handle on one context: a conversation with a window. */
export class Context extends Conversation {
  /** @internal */
  constructor(transport: Transport, id: string) {
    super(transport, id, "contexts");
  }

  /** The window: the messages that go to the model. */
  async context(options: WindowOptions = {}): Promise<WindowResult> {
    const { budgetTokens, ifVersion } = options;
    const query = { budget_tokens: budgetTokens, if_version: ifVersion };
    const answer = await this.send("/context", { method: "GET", query, repeatable: true, options });
    return withMessages(answer, "version");
  }

  /**
   * Puts `replacement` in the place of everything that the window holds up to `throughSeq`. The log stays as it is.
   *
   * Retried only where it is certain that nothing was applied: the connection was refused, or the server said
   * `rate_limited` or `unavailable`. Otherwise a second run could replace messages that arrived after the first. So
   * after `network`, `timeout` and `outcome_unknown`, and `unavailable` from a proxy, look at the window before you
   * try again. With `throughSeq` or `ifVersion`, trying again does no harm: where the first one landed, it ends in a
   * `conflict` at worst.
   *
   * @throws FastpacaError `conflict` when the context is not at `ifVersion`, or a newer compaction reached further than
   *   `throughSeq`; `invalid_request` when `throughSeq` is not in the window
   */
  async compact(replacement: readonly MessageInput[], options: CompactOptions = {}): Promise<VersionResult> {
    const { throughSeq, ifVersion } = options;
    const body = { replacement, through_seq: throughSeq, if_version: ifVersion };
    const answer = await this.send("/compact", { method: "POST", body, repeatable: false, options });
    return shaped<VersionResult>(answer, "version");
  }

  /**
   * Builds the window anew from the log, as if its messages had just been appended; compactions are undone.
   *
   * Retried as rarely as {@link compact}: a second run could undo a compaction that came after the first.
   */
  async reset(options: RequestOptions = {}): Promise<VersionResult> {
    const answer = await this.send("/reset", { method: "POST", body: {}, repeatable: false, options });
    return shaped<VersionResult>(answer, "version");
  }

  /** Its record: version, budget, policy, metadata and so on. */
  override async info(options: RequestOptions = {}): Promise<ContextRecord> {
    return shaped<ContextRecord>(
      await this.send("", { method: "GET", repeatable: true, options }),
      "id",
      "version",
    );
  }

  /** Changes metadata by a JSON merge patch: null removes a key, objects are merged, all else replaces. */
  override async updateMetadata(patch: Metadata, options: RequestOptions = {}): Promise<ContextRecord> {
    const body = { metadata: patch };
    const answer = await this.send("/metadata", { method: "PATCH", body, repeatable: true, options });
    return shaped<ContextRecord>(answer, "id", "version");
  }
}
