/**
 * Prints how far `approxTokens` is from o200k_base, as the Markdown tables of `docs/token-estimates.md`.
 *
 * Errors are (estimate - count) / count in percent of one sample. A category's row averages over its held-out samples,
 * each with the same weight whatever its length; `whole` is the error of their sum, which is what a window sees.
 */

import { approxTokens, loadO200k } from "@fastpaca/core";
import { corpus, fitted, heldOut } from "./calibration-corpus.js";

interface Measurement {
  readonly tokens: number;
  readonly estimate: number;
}

const o200k = await loadO200k();
const frame = o200k({ role: "user", parts: [] });

/** Tokens of the bare text. */
function countTokens(text: string): number {
  return o200k({ role: "user", parts: [{ type: "text", text }] }) - frame;
}

function measure(samples: readonly string[]): Measurement[] {
  return samples.map((sample) => ({ tokens: countTokens(sample), estimate: approxTokens(sample) }));
}

/** Signed error in percent. */
function errorOf({ tokens, estimate }: Measurement): number {
  return ((estimate - tokens) / tokens) * 100;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function row(name: string, measurements: readonly Measurement[]): string {
  const errors = measurements.map(errorOf);
  const whole = {
    tokens: sum(measurements.map(({ tokens }) => tokens)),
    estimate: sum(measurements.map(({ estimate }) => estimate)),
  };
  const worst = errors.reduce((most, error) => (Math.abs(error) > Math.abs(most) ? error : most), 0);
  const cells = [
    name,
    String(measurements.length),
    String(whole.tokens),
    signed(sum(errors) / errors.length),
    (sum(errors.map(Math.abs)) / errors.length).toFixed(1),
    signed(worst),
    signed(errorOf(whole)),
  ];
  return `| ${cells.join(" | ")} |`;
}

function signed(percent: number): string {
  const text = percent.toFixed(1);
  if (Number(text) === 0) return "0.0";
  return percent > 0 ? `+${text}` : text;
}

function table(first: string, rows: readonly string[]): string {
  const head = [first, "samples", "tokens", "mean error %", "mean absolute error %", "worst %", "whole %"];
  return [`| ${head.join(" | ")} |`, `| --- |${" ---: |".repeat(head.length - 1)}`, ...rows].join("\n");
}

/** Sizes of messages in tokens: from the first number on, below the second. */
const SIZES: readonly (readonly [from: number, below: number])[] = [
  [1, 15],
  [15, 60],
  [60, Number.POSITIVE_INFINITY],
];

console.log("Held-out samples:\n");
console.log(
  table(
    "category",
    corpus.map((category) => row(category.name, measure(heldOut(category)))),
  ),
);

const everything = corpus.flatMap((category) => measure([...fitted(category), ...heldOut(category)]));
console.log("\nAll samples, by length:\n");
console.log(
  table(
    "tokens of the sample",
    SIZES.map(([from, below]) =>
      row(
        below === Number.POSITIVE_INFINITY ? `${from} and more` : `${from} to ${below - 1}`,
        everything.filter(({ tokens }) => tokens >= from && tokens < below),
      ),
    ),
  ),
);
