import { DriverUnavailableError } from "@fastpaca/core";
import type { Mutant } from "../mutant.js";
import { wrongTcp } from "../tcp-driver.js";

/** Mutants of a driver whose database is behind a network: what they make of a connection that is cut. */
export const TCP: readonly Mutant[] = [
  wrongTcp(
    "lost-is-unavailable",
    "Says that nothing was applied when an answer got lost.",
    ["ERR-3", "ERR-5"],
    {
      lost: () => Promise.reject(new DriverUnavailableError("the connection was lost")),
    },
  ),
  wrongTcp("lost-is-committed", "Says committed when an answer got lost.", ["ERR-5", "CAS-7"], {
    lost: async (commits) => commits.map(() => ({ status: "committed" })),
  }),
  wrongTcp("lost-is-conflict", "Says conflict when an answer got lost.", ["ERR-5", "CAS-7"], {
    lost: async (commits) => commits.map(() => ({ status: "conflict", head: undefined })),
  }),
  wrongTcp(
    "lost-is-tried-again",
    "Hands a commit over again by itself, and conflicts with what it wrote the first time.",
    ["ERR-5", "ERR-3", "CAS-7"],
    {
      lost: (_commits, again) => again(),
    },
  ),
  wrongTcp(
    "unreachable-is-committed",
    "Says committed when the server cannot be reached.",
    ["ERR-5", "CAS-7"],
    {
      unmade: { status: "committed" },
    },
  ),
  wrongTcp(
    "unreachable-is-empty",
    "Answers that there are no heads when the server cannot be reached.",
    ["ERR-5", "VER-2"],
    {
      lostHeads: (ids) => ids.map(() => undefined),
    },
  ),
  wrongTcp(
    "unreachable-is-an-error",
    "Rejects with any error when the server cannot be reached.",
    ["ERR-3"],
    {
      plain: true,
    },
  ),
  wrongTcp("connects-once", "Does not connect again after a connection was lost.", ["ERR-6"], {
    connectsOnce: true,
  }),
  wrongTcp("waits-for-ever", "Waits for answers although the connection is gone.", ["ERR-1"], {
    waits: true,
  }),
];
