import type { World } from "./world.js";

/**
 * Makes one more database for part of a run and hands over its URL; drops it afterwards. Handles on it are opened with
 * {@link World.open} and closed by `use`, whatever happens.
 */
export async function ownDatabase(world: World, use: (url: string) => Promise<void>): Promise<void> {
  const database = await world.subject.createDatabase();
  try {
    await use(database.url);
  } finally {
    await database.drop?.();
  }
}
