// A process of its own: appends a message at a time, each with a key, and prints the revisions it was acknowledged.
import { writeSync } from "node:fs";
import sqlite from "@fastpaca/driver-sqlite";
import { append, creation } from "./commits.ts";

const [url = "", id = "", writer = "", count = "0"] = process.argv.slice(2);
const driver = await sqlite.open(url);
for (let done = 0; count === "0" || done < Number(count);) {
  const [head] = await driver.heads([id]);
  const seq = (head?.lastSeq ?? 0) + 1;
  const commit =
    head === undefined
      ? creation(id)
      : append(id, head.revision, seq, seq, { body: JSON.stringify(writer), keys: [`${writer}-${done}`] });
  const [outcome] = await driver.commit([commit]);
  if (outcome?.status === "duplicate" || outcome?.status === "unknown") throw new Error(outcome.status);
  if (outcome?.status !== "committed") continue;
  // At once, not when the stream gets to it.
  writeSync(1, `${commit.head.revision}\n`);
  if (head !== undefined) done += 1;
}
await driver.close();
