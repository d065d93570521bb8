import { drawnColumns, renderHtmlTimeline } from "./html-timeline.js";
import { STYLE } from "./html-style.js";
import { xmlText } from "./html-text.js";
import { duration, visible, visibleLines } from "./plain.js";
import { RACE_NOTE } from "./replay.js";
import { countVerdicts, VERDICTS, type FailureReport, type Report, type ReportedVerdict } from "./report.js";

const SHOWN: Readonly<Record<ReportedVerdict, string>> = {
  failed: "failed",
  passed: "passed",
  unfinished: "unfinished",
  unclaimed: "not claimed",
  unselected: "not selected",
};

/** The report as one HTML file that loads nothing and runs no script. */
export function renderHtml(report: Report): string {
  const title = text(`Conformance of ${report.subject.name}`);
  const count = countVerdicts(report);
  const present = VERDICTS.filter((verdict) => count[verdict] > 0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}${filterRules(present)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
<p>${present.map((verdict) => `<span class="chip ${verdict}">${count[verdict]} ${SHOWN[verdict]}</span>`).join(" ")}
${report.interrupted ? '<span class="chip unfinished">interrupted</span>' : ""}</p>
<div class="bar" aria-hidden="true">${present.map((verdict) => `<span class="${verdict}" style="flex:${count[verdict]}"></span>`).join("")}</div>
${facts(report)}
</header>
<main>
${failures(report)}
<h2>Invariants</h2>
${filter(present)}
${invariantTable(report)}
<details><summary>Checks</summary>
${checkTable(report)}
</details>
</main>
</body>
</html>
`;
}

function facts({ subject, kit, seed, runs, only, date, node, platform, milliseconds }: Report): string {
  const { traits, limits } = subject;
  const entries: [string, string][] = [
    ["claims", traits.length === 0 ? "nothing" : traits.join(", ")],
    ...(limits === undefined
      ? []
      : ([
          ["limits", `${limits.maxCommitBytes} bytes a commit, ${limits.maxBatch} commits a batch`],
        ] satisfies [string, string][])),
    [
      "seed",
      `${seed}${runs === 1 ? "" : `, runs × ${runs}`}${only.length === 0 ? "" : `, only ${only.join(", ")}`}`,
    ],
    ["when", `${date}, for ${duration(milliseconds)}`],
    ["with", `kit ${kit}, Node ${node}, ${platform}`],
  ];
  return `<dl>${entries.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join("")}</dl>`;
}

function filter(present: readonly ReportedVerdict[]): string {
  const choices = ["all", ...present].map((verdict, index) => {
    const shown = present.find((known) => known === verdict);
    return `<label><input type="radio" name="show" id="show-${verdict}"${index === 0 ? " checked" : ""}>${shown === undefined ? "all" : SHOWN[shown]}</label>`;
  });
  return `<fieldset><legend>Show</legend>${choices.join("\n")}</fieldset>`;
}

function filterRules(present: readonly ReportedVerdict[]): string {
  return present
    .map((verdict) => `body:has(#show-${verdict}:checked) tr.row:not(.${verdict}) { display: none; }\n`)
    .join("");
}

function invariantTable(report: Report): string {
  const rows = report.invariants.map(({ id, says, rule, verdict, milliseconds, checks }) => {
    const failure = report.failures.findIndex(({ invariant }) => invariant === id);
    const name = failure === -1 ? text(id) : `<a href="#failure-${failure}">${text(id)}</a>`;
    const time = verdict === "unclaimed" || milliseconds === 0 ? "" : duration(milliseconds);
    const details = `${text(rule)}${checks.length === 0 ? "" : `; checks: ${text(checks.join(", "))}`}`;
    return `<tr class="row ${verdict}"><th scope="row">${name}</th><td><span class="chip">${SHOWN[verdict]}</span></td><td class="time">${time}</td><td>${text(says)}<br><small class="soft">${details}</small></td></tr>`;
  });
  return `<div class="scroll"><table>
<thead><tr><th scope="col">id</th><th scope="col">verdict</th><th scope="col">time</th><th scope="col">what always holds</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`;
}

function checkTable({ checks }: Report): string {
  const rows = checks.map(
    ({ name, mode, invariants, runs, cutShort, milliseconds, failed }) =>
      `<tr><th scope="row">${text(name)}</th><td>${failed ? "failed" : "passed"}</td><td>${text(mode)}</td><td>${text(invariants.join(" "))}</td><td class="time">${runs}${cutShort ? " (time was up)" : ""}</td><td class="time">${duration(milliseconds)}</td></tr>`,
  );
  return `<div class="scroll"><table>
<thead><tr><th scope="col">check</th><th scope="col">result</th><th scope="col">mode</th><th scope="col">invariants</th><th scope="col">runs</th><th scope="col">time</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody></table></div>`;
}

function failures(report: Report): string {
  if (report.failures.length === 0) return "";
  const sections = report.failures.map((failure, index) => failureSection(report, failure, index));
  return `<h2>Failures</h2>\n${sections.join("\n")}`;
}

function failureSection(report: Report, failure: FailureReport, index: number): string {
  const {
    invariant: id,
    check,
    mode,
    message,
    stack,
    exact,
    replay,
    shrinks,
    history,
    counterexample,
  } = failure;
  const entry = report.invariants.find((invariant) => invariant.id === id);
  const title = id === undefined ? `${check} could not be played` : id;
  const found =
    shrinks === 0
      ? "The failing run"
      : `The smallest failing run that was found, after ${shrinks} reductions`;
  const drawn = history.calls.length + history.notes.length > 0;
  return `<section class="failure" id="failure-${index}" aria-labelledby="title-${index}">
<h3 id="title-${index}">${text(title)}</h3>
${entry === undefined ? "" : `<p>${text(entry.says)}<br><small class="soft">${text(entry.rule)}</small></p>`}
<p class="soft">check ${text(check)}, ${text(mode)}</p>
<p class="message">${block(message)}</p>
${exact ? "<p>Play it again:</p>" : `<p>Play it again (<span class="race">${text(RACE_NOTE)}</span>):</p>`}
<pre><code>${text(replay)}</code></pre>
${drawn ? `<p class="soft">${found}; time goes down, ${drawnColumns(history)}.</p>\n${renderHtmlTimeline(history)}` : ""}
${counterexample === "" ? "" : `<details><summary>What was generated</summary><pre>${block(counterexample)}</pre></details>`}
<details><summary>Where it was found</summary><pre>${block(stack)}</pre></details>
</section>`;
}

function text(value: string): string {
  return xmlText(visible(value));
}

function block(value: string): string {
  return visibleLines(value)
    .map((line) => xmlText(line))
    .join("\n");
}
