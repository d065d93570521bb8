/**
 * Arrays in the binary format of Postgres: neither side formats or parses text. A header of five 32-bit numbers
 * (dimensions, whether there are nulls, type of the elements, their number, first index), then each element after its
 * length.
 */

const HEADER = 20;
const INT8 = 20;
const TEXT = 25;
const TWO_32 = 2 ** 32;

/** As `int8[]`. The numbers are integers up to 2^53. */
export function int8Array(values: readonly number[]): Buffer {
  const array = header(INT8, values.length, values.length * 12);
  let at = HEADER;
  for (const value of values) {
    const high = Math.floor(value / TWO_32);
    array.writeInt32BE(8, at);
    array.writeInt32BE(high, at + 4);
    array.writeUInt32BE(value - high * TWO_32, at + 8);
    at += 12;
  }
  return array;
}

/** As `text[]`. */
export function textArray(values: readonly string[]): Buffer {
  let bytes = values.length * 4;
  const lengths = values.map((value) => {
    const length = Buffer.byteLength(value);
    bytes += length;
    return length;
  });
  const array = header(TEXT, values.length, bytes);
  let at = HEADER;
  for (const [index, value] of values.entries()) {
    const length = lengths[index] ?? 0;
    array.writeInt32BE(length, at);
    if (length > 0) array.write(value, at + 4, length, "utf8");
    at += 4 + length;
  }
  return array;
}

function header(type: number, count: number, bytes: number): Buffer {
  // Postgres knows an empty array by its having no dimension.
  if (count === 0) {
    const empty = Buffer.alloc(12);
    empty.writeInt32BE(type, 8);
    return empty;
  }
  const array = Buffer.allocUnsafe(HEADER + bytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(type, 8);
  array.writeInt32BE(count, 12);
  array.writeInt32BE(1, 16);
  return array;
}
