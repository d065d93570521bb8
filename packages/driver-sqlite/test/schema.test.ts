import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { migrate, STEPS, versionOf } from "../src/schema.js";
import { inFolder } from "./folder.js";

test("a database that another process prepares at this very moment is not taken for somebody else's", () =>
  inFolder(async (folder) => {
    const file = path.join(folder.path, "fastpaca.db");
    const mine = new DatabaseSync(file);
    const other = new DatabaseSync(file);
    try {
      mine.exec("PRAGMA journal_mode = WAL");
      const prepare = mine.prepare.bind(mine);
      let reads = 0;
      // Between the first and the second thing that is read, the other one creates everything.
      mine.prepare = (sql) => {
        if ((reads += 1) === 2) migrate(other);
        return prepare(sql);
      };
      expect([0, STEPS.length]).toContain(versionOf(mine));
      expect(reads).toBeGreaterThan(1);
      expect(versionOf(mine)).toBe(STEPS.length);
    } finally {
      mine.close();
      other.close();
    }
  }));
