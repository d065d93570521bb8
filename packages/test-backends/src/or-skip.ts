/**
 * Starts a server for a suite that is left out, loudly, where none is to be had.
 * @returns undefined where the suite is to be left out
 * @throws where `CI=true`: there a suite that does not run is a failure
 */
export async function orSkip<S>(name: string, start: () => Promise<S>): Promise<S | undefined> {
  try {
    return await start();
  } catch (error) {
    if (process.env["CI"] === "true") throw error;
    const rule = "=".repeat(80);
    console.warn(`${rule}\nSKIPPED: no ${name} server for the tests.\n${String(error)}\n${rule}`);
    return undefined;
  }
}
