/** The report's only style sheet. Colours follow the reader's light or dark setting. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#fbfbfa, #15171a);
  --card: light-dark(#fff, #1d2024);
  --text: light-dark(#1d1f22, #e4e6e8);
  --soft: light-dark(#5c6166, #9aa0a6);
  --line: light-dark(#dfe1e3, #34383d);
  --green: light-dark(#1a7f37, #57ab5a);
  --red: light-dark(#b3261e, #f47067);
  --amber: light-dark(#8a5a00, #d9a441);
  --blue: light-dark(#0b5cad, #6cb6ff);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main, header { max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem; }
h1 { font-size: 1.6rem; margin: .6rem 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
code, pre, .call { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .85rem; }
pre { margin: .4rem 0; padding: .6rem .8rem; border-radius: 6px; background: var(--ground); border: 1px solid var(--line);
  white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: var(--blue); }
.soft { color: var(--soft); }
.bar { display: flex; height: .6rem; border-radius: .3rem; overflow: hidden; margin: .8rem 0; background: var(--line); }
.bar span { min-width: 2px; }
.passed { --tone: var(--green); } .failed { --tone: var(--red); } .unfinished { --tone: var(--amber); }
.unclaimed, .unselected { --tone: var(--soft); }
.bar span { background: var(--tone); }
.chip { color: var(--tone); border: 1px solid var(--tone); border-radius: 1rem; padding: 0 .6rem; white-space: nowrap;
  font-size: .8rem; font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .6rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
fieldset { border: 0; padding: 0; margin: 1rem 0; display: flex; flex-wrap: wrap; gap: .4rem; }
legend { float: left; margin-right: .6rem; color: var(--soft); }
fieldset label { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .8rem; cursor: pointer; }
fieldset label:has(:checked) { background: var(--text); color: var(--ground); border-color: var(--text); }
fieldset label:has(:focus-visible) { outline: 2px solid var(--blue); outline-offset: 2px; }
fieldset input { position: absolute; opacity: 0; pointer-events: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; background: var(--card); border: 1px solid var(--line); }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; }
td.time { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tbody th { white-space: nowrap; font-weight: 600; }
.failure { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--red); border-radius: 6px;
  padding: 1rem 1.2rem; margin: 1rem 0; }
.message { font-size: 1.05rem; font-weight: 600; white-space: pre-wrap; overflow-wrap: anywhere; margin: .6rem 0; }
.timeline { list-style: none; margin: .6rem 0; padding: 0 0 .4rem; display: grid; gap: 3px 10px; align-items: stretch; }
.lane { grid-row: 1; position: sticky; top: 0; font-weight: 700; text-align: center; padding: .2rem; background: var(--card);
  border-bottom: 2px solid var(--line); }
.call { border: 1px solid var(--tone); border-left: 5px solid var(--tone); border-radius: 5px; padding: .15rem .5rem;
  background: color-mix(in srgb, var(--tone) 9%, var(--card)); overflow-wrap: anywhere; }
.call summary { cursor: pointer; } .call summary::marker { color: var(--tone); }
.call b { color: var(--tone); font-weight: 600; }
.committed { --tone: var(--green); } .refused, .unknown { --tone: var(--amber); } .rejected, .pending { --tone: var(--red); }
.answered { --tone: var(--blue); }
.note { font-size: .85rem; color: var(--soft); text-align: center; border-top: 1px dashed var(--soft); padding: .1rem; }
.race { color: var(--amber); }
`;
