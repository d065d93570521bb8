import type { Invariant } from "../catalogue.js";

const HTTP = "HTTP API (docs/http-api.md)";
const ERRORS = "Errors (docs/errors.md)";
const SEMANTICS = "Semantics (docs/semantics.md)";
const STREAM = "WebSocket API (docs/websocket-api.md)";

/** Every promise of a server that can be checked from outside. Ids are stable. */
export const SERVER_INVARIANTS = [
  // The form of requests and answers.
  {
    id: "HTT-1",
    says: "Every answer is JSON with the status that is documented; a refusal names its code and says why.",
    rule: ERRORS,
  },
  {
    id: "HTT-2",
    says: "What is not served is 404, what is no JSON 400 or 415, and what is too large 413, never with an empty body.",
    rule: ERRORS,
  },
  { id: "HTT-3", says: "No input makes the server fail: there is no 500.", rule: ERRORS },
  { id: "HTT-4", says: "A refused field is named.", rule: ERRORS },
  { id: "HTT-5", says: "The server says that it lives and is ready, and describes itself.", rule: HTTP },
  {
    id: "HTT-6",
    says: "Limits hold exactly: what is at one is taken, what is beyond it is refused.",
    rule: HTTP,
  },
  { id: "HTT-7", says: "HEAD answers what GET answers, without the body.", rule: HTTP },
  {
    id: "AUT-1",
    says: "Where API keys are set, nothing but health is answered without one of them.",
    rule: HTTP,
    trait: "keys",
  },

  // Creation and records.
  {
    id: "CRE-1",
    says: "A PUT creates with 201 and answers 200 from then on, with the same record that a GET gives.",
    rule: HTTP,
  },
  {
    id: "CRE-2",
    says: "What was never created is 404, also for appends; a conversation without a window is no context.",
    rule: HTTP,
  },
  {
    id: "CRE-3",
    says: "Version is the seq of the last message and the number of marks together, and creation is no event.",
    rule: SEMANTICS,
  },
  {
    id: "CRE-4",
    says: "Metadata changes by merge patches, moves the revision and never the version.",
    rule: HTTP,
  },
  {
    id: "CRE-5",
    says: "A PUT changes what it names and leaves the rest; one that changes nothing is no event; one adds a window.",
    rule: SEMANTICS,
  },
  {
    id: "CRE-6",
    says: "Ids are percent-encoded Unicode, and compared byte by byte.",
    rule: SEMANTICS,
  },

  // Appends.
  {
    id: "APP-1",
    says: "Appends are numbered 1, 2, 3 … and their answers say where they are.",
    rule: SEMANTICS,
  },
  { id: "APP-2", says: "Several messages in one append stay together: all or none.", rule: SEMANTICS },
  {
    id: "APP-3",
    says: "Concurrent appends all land, each once, in one order that every reader sees.",
    rule: SEMANTICS,
  },
  {
    id: "APP-4",
    says: "Of racers with the same if_version exactly one wins; the others are told the version.",
    rule: SEMANTICS,
  },
  {
    id: "APP-5",
    says: "A repeated key is answered as the first time, and another content under it is 422.",
    rule: SEMANTICS,
  },
  { id: "APP-6", says: "Racing appends with one key make one message.", rule: SEMANTICS },
  { id: "APP-7", says: "What was sent comes back equal as JSON, whatever it is.", rule: SEMANTICS },
  {
    id: "APP-8",
    says: "A message has its position, its time and its size; a size that was given is taken as it is.",
    rule: SEMANTICS,
  },

  // Reading.
  {
    id: "LOG-1",
    says: "The tail counts from the newest message, the replay from the first, both oldest first.",
    rule: HTTP,
  },
  {
    id: "LOG-2",
    says: "A list shows every conversation once, most recently changed first, and filters by metadata.",
    rule: HTTP,
  },
  { id: "LOG-3", says: "The ETag moves with every change, and an unchanged record is 304.", rule: HTTP },
  {
    id: "LOG-4",
    says: "A page of the replay says behind which version a stream goes on from it.",
    rule: HTTP,
  },

  // The window.
  {
    id: "WIN-1",
    says: "The window holds what its policy keeps, under its limit and its budget, the newest message always.",
    rule: SEMANTICS,
  },
  {
    id: "WIN-2",
    says: "used_tokens is the sum of what the window holds, needs_compaction whether it is over the trigger.",
    rule: SEMANTICS,
  },
  { id: "WIN-3", says: "budget_tokens shows less, and stores nothing.", rule: SEMANTICS },
  {
    id: "WIN-4",
    says: "A compaction replaces what is up to through_seq, keeps what came later, and leaves the log alone.",
    rule: SEMANTICS,
  },
  { id: "WIN-5", says: "A reset rebuilds the window from the log.", rule: SEMANTICS },
  {
    id: "WIN-6",
    says: "if_version holds for compactions and for reads of the window, too.",
    rule: SEMANTICS,
  },

  // The end.
  {
    id: "END-1",
    says: "A tombstone is final: writes are 410, reads go on, and deleting again is no different.",
    rule: SEMANTICS,
  },
  {
    id: "END-2",
    says: "A purge leaves nothing to read, and a new life starts over with a revision that goes on.",
    rule: SEMANTICS,
  },

  // The stream.
  {
    id: "STR-1",
    says: "A stream gives every event behind its cursor in order, without hole or double, then what follows.",
    rule: STREAM,
  },
  {
    id: "STR-2",
    says: "Contexts have context frames, conversations have none; messages can be left out.",
    rule: STREAM,
  },
  {
    id: "STR-3",
    says: "A cursor ahead of the log is answered by a gap, and the stream goes on.",
    rule: STREAM,
  },
  {
    id: "STR-4",
    says: "The end of a conversation is the last frame of its streams, and closes them with 1000.",
    rule: STREAM,
  },
  {
    id: "STR-5",
    says: "What cannot be streamed is refused with an error in place of the upgrade.",
    rule: STREAM,
  },
  {
    id: "STR-6",
    says: "Server-sent events tell the same, with ids to resume from.",
    rule: STREAM,
  },
  {
    id: "STR-7",
    says: "A client that sends anything but a pong is closed with 1008, one that sends too much with 1009.",
    rule: STREAM,
  },
] as const satisfies readonly Invariant[];

export type ServerInvariantId = (typeof SERVER_INVARIANTS)[number]["id"];
