import { createDatabase, open } from "./small-driver.js";

/** Looks at the revision first and commits later, on whatever is there by then. */
async function openRacy(url) {
  const driver = await open(url);
  const commitOne = async (commit) => {
    const [before] = await driver.heads([commit.id]);
    await new Promise((resolve) => setImmediate(resolve));
    if ((before?.revision ?? 0) !== commit.base) return { status: "conflict", head: before };
    const [now] = await driver.heads([commit.id]);
    const [outcome] = await driver.commit([{ ...commit, base: now?.revision ?? 0 }]);
    return outcome;
  };
  return { ...driver, commit: (commits) => Promise.all(commits.map(commitOne)) };
}

export default {
  name: "racy",
  traits: { durable: false, shared: true, watch: false },
  createDatabase,
  open: openRacy,
};
