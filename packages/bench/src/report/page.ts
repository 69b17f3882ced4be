import { quantity } from '../format.js';
import type { Bar, BenchRun } from '../result.js';
import { type Chart, inlineSvg } from './chart.js';
import { duelsOf } from './duels.js';
import { hitRatiosOf } from './hit-ratio-table.js';
import { escapeMarkup } from './markup.js';
import { PAGE_STYLE } from './page-style.js';
import type { Drawn, DrawnSuite } from './report.js';
import { barTable, contestTable, curveTable, figureTable, hitRatioTable, workloadTable } from './tables.js';
import { verdictOf } from './verdict.js';

/** Nothing is loaded from anywhere, and nothing runs: even what slipped through could not. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The whole report as one file. */
export function page(run: BenchRun, overview: Chart | undefined, suites: readonly DrawnSuite[]): string {
  const bars = run.suites.flatMap((suite) => suite.bars ?? []);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>zmsg: benchmark of ${escapeMarkup(dayOf(run))}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>zmsg beside what you would use instead</h1>
<p class="lead">Every operation measured in turns with its alternatives, on one machine, in one run.</p>
${run.quick ? quickWarning() : ''}
${machineList(run)}
${tally(run)}
</header>
<main>
${glance(overview, bars)}
<nav aria-label="Suites" class="block"><ul>${suites.map(({ suite }, at) => `<li><a href="#suite-${at}">${escapeMarkup(suite.name)}</a></li>`).join('')}</ul></nav>
${suites.map(suiteSection).join('\n')}
</main>
<footer>
<p>Made by <code>pnpm report</code> from the figures of <code>pnpm bench --json</code>. Ratios are taken round by round between contenders that were measured in turns, so that the drift of a machine hits all alike; absolute times are those of this machine. Percentiles of contests are those of samples of many operations, those of loads are of single operations.</p>
</footer>
</body>
</html>
`;
}

function quickWarning(): string {
  return '<p class="warn" role="note"><strong>A quick run.</strong> Short rounds on little data: it shows that everything runs. Its figures are noise and prove nothing.</p>';
}

function machineList({ machine }: BenchRun): string {
  const { cpu, cpus, memoryBytes, system, node, v8, commit, startedAt } = machine;
  const facts = [
    ['Machine', `${cpus} × ${cpu}, ${quantity(memoryBytes, 'bytes')}`],
    ['System', system],
    ['Node.js', `${node} (V8 ${v8})`],
    ['Commit', commit === undefined ? 'unknown' : commit.replace(/\+$/, ', with changes')],
    ['Measured', startedAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
  ] as const;
  return `<dl>${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeMarkup(value)}</dd></div>`).join('')}</dl>`;
}

function tally(run: BenchRun): string {
  const verdicts = duelsOf(run).flatMap(({ others }) => others.map(({ ratio }) => verdictOf(ratio)));
  const count = (verdict: string) => verdicts.filter((each) => each === verdict).length;
  const bars = run.suites.flatMap((suite) => suite.bars ?? []);
  const tiles: [number | string, string][] = [];
  if (verdicts.length > 0) {
    tiles.push(
      [count('wins'), `of ${verdicts.length} comparisons: zmsg is faster`],
      [count('loses'), 'zmsg is slower'],
      [count('equals'), 'no difference beyond the noise'],
    );
    if (count('unknown') > 0) tiles.push([count('unknown'), 'no number came out']);
  }
  if (bars.length > 0) tiles.push([`${bars.filter(({ met }) => met).length} of ${bars.length}`, 'bars kept']);
  return `<ul class="tally">${tiles.map(([figure, words]) => `<li><b>${figure}</b>${words}</li>`).join('')}</ul>`;
}

/** Both columns: who is faster, and what was promised. */
function glance(overview: Chart | undefined, bars: readonly Bar[]): string {
  const promises =
    bars.length === 0 ? '' : `<div class="card"><h3>What was promised, and kept</h3>${barTable(bars)}</div>`;
  const lead =
    overview === undefined
      ? ''
      : '<p>How long each alternative takes, when zmsg (◆) takes 1. A bar to the right of the line: zmsg is faster; to the left: the other one is. Whiskers reach from the lowest to the highest round. What each call has done when it answers differs, and stands beside the figures below.</p>';
  if (overview === undefined && bars.length === 0) return '';
  const chart = overview === undefined ? '' : card(overview, '');
  return section('overview', 'At a glance', lead, `<div class="charts">${chart}${promises}</div>`);
}

function suiteSection({ suite, contests, workloads, curves }: DrawnSuite, at: number): string {
  const { rows, rest } = hitRatiosOf(suite.figures ?? []);
  return section(
    `suite-${at}`,
    suite.title,
    '',
    [
      cards(contests, contestTable),
      ...workloads.map((drawn) => workloadCards(drawn)),
      cards(curves, curveTable),
      rows.length === 0 ? '' : `<div class="card block">${hitRatioTable(rows)}</div>`,
      rest.length === 0 ? '' : `<div class="card block">${figureTable(rest)}</div>`,
    ].join('\n'),
  );
}

/** The charts of one load beside each other, its table below. */
function workloadCards({ of, charts }: DrawnSuite['workloads'][number]): string {
  return `${chartGrid(charts, '')}<div class="card block"><h3>${escapeMarkup(of.title)}</h3>${workloadTable(of)}</div>`;
}

function cards<T extends { title: string }>(drawn: readonly Drawn<T>[], table: (of: T) => string): string {
  if (drawn.length === 0) return '';
  // One alone has room for its figures beside it.
  const isSingle = drawn.length === 1;
  const each = drawn.map(({ of, charts }) => {
    if (isSingle || charts.length === 0) {
      return `<figure class="card"><h3>${escapeMarkup(of.title)}</h3><div class="beside">${charts.map(inlineSvg).join('')}${table(of)}</div></figure>`;
    }
    return charts
      .map((chart) => card(chart, `<details><summary>Figures</summary>${table(of)}</details>`))
      .join('');
  });
  return `<div class="charts${isSingle ? ' single' : ''}">${each.join('\n')}</div>`;
}

function chartGrid(charts: readonly Chart[], after: string): string {
  return `<div class="charts">${charts.map((chart) => card(chart, after)).join('\n')}</div>`;
}

function card(chart: Chart, after: string): string {
  return `<figure class="card"><h3>${escapeMarkup(chart.title)}</h3>${inlineSvg(chart)}${after}</figure>`;
}

function section(id: string, title: string, lead: string, body: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escapeMarkup(title)}</h2>${lead}${body}</section>`;
}

function dayOf({ machine }: BenchRun): string {
  return machine.startedAt.slice(0, 10);
}
