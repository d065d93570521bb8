import { xmlText } from "./html-text.js";
import { countVerdicts, type Report } from "./report.js";

const HEIGHT = 20;
/** Width of a character of the badge's font at 11 px, and the space on both sides of a text. */
const CHARACTER = 6.6;
const PADDING = 7;

export interface BadgeText {
  readonly label: string;
  readonly value: string;
  readonly color: string;
}

/** What a badge says: how many of the invariants that were claimed passed. */
export function badgeText(report: Report): BadgeText {
  const { passed, failed, unfinished, unselected } = countVerdicts(report);
  const label = "conformance";
  if (failed > 0) return { label, value: `${failed} failed`, color: "#b3261e" };
  if (!report.passed) return { label, value: "not finished", color: "#6b6b6b" };
  const all = passed + unfinished;
  // Part of the catalogue is no proof of the whole.
  if (unselected > 0) return { label, value: `${passed} of a selection passed`, color: "#6b6b6b" };
  return { label, value: `${passed}/${all} passed`, color: "#1a7f37" };
}

/** A badge for a README, as SVG that needs nothing else. */
export function renderBadge(report: Report): string {
  const { label, value, color } = badgeText(report);
  const left = Math.round(label.length * CHARACTER + 2 * PADDING);
  const right = Math.round(value.length * CHARACTER + 2 * PADDING);
  const width = left + right;
  const title = xmlText(`${label}: ${value}`);
  const text = (content: string, from: number, room: number): string =>
    `<text x="${from + room / 2}" y="14" textLength="${room - 2 * PADDING}" lengthAdjust="spacingAndGlyphs">${xmlText(content)}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${title}">
  <title>${title}</title>
  <clipPath id="round"><rect width="${width}" height="${HEIGHT}" rx="4"/></clipPath>
  <g clip-path="url(#round)">
    <rect width="${left}" height="${HEIGHT}" fill="#3d444d"/>
    <rect x="${left}" width="${right}" height="${HEIGHT}" fill="${color}"/>
  </g>
  <g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
    ${text(label, 0, left)}
    ${text(value, left, right)}
  </g>
</svg>
`;
}
