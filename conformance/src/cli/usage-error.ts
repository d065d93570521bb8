/** The command was called wrongly, or what it should test cannot be tested: one sentence for whoever called it. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** What the author of the driver wrote cannot be tested; `cause` is what it threw, where it did. */
export class SubjectError extends UsageError {
  override readonly name = "SubjectError";
}
