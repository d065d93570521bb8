import fc from "fast-check";
import { anyBody, anyObject, LABELS, OBJECTS, TEXTS } from "../arbitraries.js";
import { check, NOTHING, type Check } from "../check.js";
import { commitOn } from "../commits.js";
import { lockstep, type Lockstep } from "../lockstep.js";
import type { World } from "../world.js";

/** Bytes of UTF-8 that the state of a head may have, and its metadata. */
const STATE_BYTES = 4096;
const METADATA_BYTES = 8192;

/** Bytes of the large bodies. */
const MEBIBYTE = 1024 * 1024;

const LARGE: readonly (readonly [what: string, piece: string])[] = [
  ["letters", "x"],
  ["escaped NULs", String.raw`\u0000`],
  ["three bytes each", "\u4e3d"],
  ["astral", "\u{1f600}"],
  ["quotes", String.raw`\"`],
  ["lone surrogates", String.raw`\ud800`],
];

/** JSON text of exactly so many bytes of UTF-8, and about as many of the piece as fit. */
function sized(before: string, piece: string, after: string, bytes: number): string {
  const room = bytes - Buffer.byteLength(before + after);
  const text = piece.repeat(Math.floor(room / Buffer.byteLength(piece)));
  return before + text + "y".repeat(room - Buffer.byteLength(text)) + after;
}

async function bodies(steps: Lockstep, world: World, texts: readonly string[]): Promise<void> {
  const id = world.id("c");
  const marks = texts.map((body) => ({ kind: "compaction" as const, body }));
  await steps.step(id, { token: "t1", messages: texts });
  await steps.step(id, { token: "t2", messages: texts.slice(0, 1), marks });
  // Twice, so that each handle reads what the other one wrote.
  for (const last of [texts.length, texts.length + 1]) {
    await steps.messages(id, 1, last);
    await steps.marks(id, 0, last);
  }
}

async function heads(
  steps: Lockstep,
  world: World,
  given: readonly { readonly metadata: string; readonly state: string; readonly labels: readonly string[] }[],
): Promise<void> {
  const run = world.id("");
  const commits = given.map(({ labels, ...texts }, index) =>
    commitOn(undefined, world.id(`c${index}`), { token: "t", ...texts, labels: [`run=${run}`, ...labels] }),
  );
  for (let from = 0; from < commits.length; from += 20) await steps.commit(commits.slice(from, from + 20));
  const ids = commits.map(({ id }) => id);
  for (let from = 0; from < ids.length; from += 20) {
    await steps.heads(ids.slice(from, from + 20));
    await steps.heads(ids.slice(from, from + 20));
  }
  // A list and a conflict show heads too.
  await steps.list([`run=${run}`], 1000);
  await steps.commit(ids.slice(0, 20).map((id) => commitOn(undefined, id, { token: "wrong" })));
}

/** Text comes back as it was sent, to the character. */
export const FIDELITY: readonly Check[] = [
  check({
    name: "bodies-known",
    invariants: ["FID-1"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => bodies(await lockstep(world, { blame: "FID-1" }), world, TEXTS),
  }),
  check({
    name: "bodies-any",
    invariants: ["FID-1"],
    mode: "sequence",
    runs: 15,
    arbitrary: fc.array(anyBody, { minLength: 1, maxLength: 20 }),
    run: async (world, texts) => bodies(await lockstep(world, { blame: "FID-1" }), world, texts),
  }),
  check({
    name: "bodies-large",
    invariants: ["FID-4"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const steps = await lockstep(world, { blame: "FID-4" });
      for (const [what, piece] of LARGE) {
        const id = world.id(what);
        const body = sized('{"text":"', piece, '"}', MEBIBYTE);
        await steps.step(id, { token: "t1", messages: ["{}", body] });
        await steps.step(id, { token: "t2", marks: [{ kind: "compaction", body }] });
        await steps.messages(id, 1, 5);
        await steps.marks(id, 0, 5);
      }
    },
  }),
  check({
    name: "heads-known",
    invariants: ["FID-2"],
    mode: "sequence",
    runs: 1,
    arbitrary: NOTHING,
    run: async (world) => {
      const objects = OBJECTS.filter((text) => Buffer.byteLength(text) <= STATE_BYTES);
      const known = objects.map((text, index) => ({
        metadata: text,
        state: text,
        labels: LABELS.slice(0, index % 5),
      }));
      const one = LABELS.map((label) => ({ metadata: "{}", state: "{}", labels: [label] }));
      const full = LARGE.map(([, piece]) => ({
        metadata: sized('{"text":"', piece, '"}', METADATA_BYTES),
        state: sized('{"text":"', piece, '"}', STATE_BYTES),
        labels: [...LABELS],
      }));
      await heads(await lockstep(world, { blame: "FID-2" }), world, [...known, ...one, ...full]);
    },
  }),
  check({
    name: "heads-any",
    invariants: ["FID-2"],
    mode: "sequence",
    runs: 10,
    arbitrary: fc.array(
      fc.record({ metadata: anyObject, state: anyObject, labels: fc.shuffledSubarray([...LABELS]) }),
      { minLength: 1, maxLength: 10 },
    ),
    run: async (world, given) => {
      const short = given.filter(
        ({ metadata, state }) =>
          Buffer.byteLength(metadata) <= METADATA_BYTES && Buffer.byteLength(state) <= STATE_BYTES,
      );
      await heads(await lockstep(world, { blame: "FID-2" }), world, short);
    },
  }),
];
