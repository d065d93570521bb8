import { invalid } from "../errors.js";

/**
 * Encodes a value as JSON text that parses back to an equal value, but for fields that are undefined. Unlike plain
 * `JSON.stringify` it keeps `-0`, and refuses what JSON would silently change: numbers that are not finite, functions,
 * symbols, bigints, undefined in arrays, and objects of classes, such as dates.
 *
 * @param field how errors call the value
 * @param maxDepth levels of arrays and objects allowed
 * @throws FastpacaError `invalid_request`
 */
export function encodeJson(value: unknown, field: string, maxDepth: number): string {
  if (!inspect(value, field, maxDepth)) return JSON.stringify(value);
  return JSON.stringify(value, (_key, inner: unknown) => (Object.is(inner, -0) ? JSON.rawJSON("-0") : inner));
}

declare global {
  /** In Node since version 21, not yet in TypeScript's library. */
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** Returns whether the value holds a `-0` anywhere. */
function inspect(value: unknown, field: string, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return false;
    case "number":
      if (!Number.isFinite(value)) throw invalid(field, "holds a number outside the range of a double");
      return Object.is(value, -0);
    case "object": {
      if (value === null) return false;
      if (depth === 0) throw invalid(field, "is nested too deeply");
      let found = false;
      if (Array.isArray(value)) {
        for (const inner of value) {
          if (inner === undefined)
            throw invalid(field, "holds undefined in an array, which JSON cannot express");
          if (inspect(inner, field, depth - 1)) found = true;
        }
      } else if (isObject(value)) {
        if (!isPlain(value)) throw invalid(field, `holds a ${className(value)}, which JSON cannot express`);
        // An object of JSON inherits nothing that is enumerable.
        for (const key in value) if (inspect(value[key], field, depth - 1)) found = true;
      }
      return found;
    }
    case "bigint":
    case "function":
    case "symbol":
      throw invalid(field, `holds a ${typeof value}, which JSON cannot express`);
  }
}

/** Whether an object has no class, in whichever realm it was made. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

function className(value: object): string {
  const { name }: { name?: unknown } = value.constructor ?? {};
  return typeof name === "string" && name !== "" ? name : "object of a class";
}

/**
 * JSON merge patch (RFC 7396) of two parsed JSON values. Own `__proto__` members are data like any other.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key);
    else merged.set(key, mergePatch(merged.get(key), value));
  }
  return Object.fromEntries(merged);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
