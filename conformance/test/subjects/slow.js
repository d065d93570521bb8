import { setTimeout as pause } from "node:timers/promises";
import { createDatabase, open } from "./small-driver.js";

/** Each call is answered in time, and no run in the time of a check. */
const LATE = 14_000;

export default {
  name: "slow",
  traits: { durable: false, shared: true, watch: false },
  createDatabase,
  open: async (url) => {
    const driver = await open(url);
    return {
      ...driver,
      heads: async (ids) => {
        await pause(LATE);
        return driver.heads(ids);
      },
      commit: async (commits) => {
        await pause(LATE);
        return driver.commit(commits);
      },
    };
  },
};
