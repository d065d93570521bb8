import { demand } from "../violation.js";
import { asFields } from "./answer.js";
import type { ServerInvariantId } from "./catalogue.js";

/** A time as all answers tell it: ISO 8601 in UTC. @throws Violation */
function expectTime(value: unknown, invariant: ServerInvariantId, what: string): void {
  demand(
    typeof value === "string" &&
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value) &&
      !Number.isNaN(Date.parse(value)),
    invariant,
    () => `${what} is ${JSON.stringify(value)}, and should be a time in UTC`,
  );
}

/** What a record of a conversation holds whatever happened to it. @throws Violation */
export function expectRecord(record: unknown): void {
  const fields = asFields(record);
  expectTime(fields["created_at"], "CRE-1", "created_at");
  expectTime(fields["updated_at"], "CRE-1", "updated_at");
  demand(
    Date.parse(String(fields["updated_at"])) >= Date.parse(String(fields["created_at"])),
    "CRE-1",
    () => "a record was updated before it was created",
  );
  demand(
    fields["archived_seq"] === 0,
    "CRE-1",
    () => `archived_seq is ${JSON.stringify(fields["archived_seq"])}`,
  );
}

/** What a message of the log holds whatever was sent. @throws Violation */
export function expectMessage(message: unknown): void {
  const { seq, version, token_count: tokens, inserted_at: at } = asFields(message);
  for (const [name, value] of Object.entries({ seq, version, token_count: tokens })) {
    demand(
      typeof value === "number" && Number.isSafeInteger(value) && value >= (name === "token_count" ? 0 : 1),
      "APP-8",
      () => `the ${name} of a message is ${JSON.stringify(value)}`,
    );
  }
  expectTime(at, "APP-8", "inserted_at");
}
