/** Whether two parsed JSON values are equal: member order apart, `-0` and own `__proto__` members included. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const mine = new Map<string, unknown>(Object.entries(a));
  const yours = Object.entries(b);
  return (
    mine.size === yours.length &&
    yours.every(([name, value]) => mine.has(name) && sameJson(mine.get(name), value))
  );
}

/** Whether every number in a parsed JSON value is one: text such as `1e400` is read as an infinity. */
export function isFiniteJson(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.values(value).every(isFiniteJson);
}

/** Levels of arrays and objects. Counted without recursion: hostile texts have many. */
export function depthOf(value: unknown): number {
  let depth = 0;
  let level = [value].filter(isContainer);
  while (level.length > 0) {
    depth += 1;
    level = level.flatMap((container) => Object.values(container).filter(isContainer));
  }
  return depth;
}

export function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
