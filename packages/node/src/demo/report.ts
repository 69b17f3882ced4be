import { formatCount, formatMs, formatSeconds, formatShare } from './figures.js';
import type { Paint } from './paint.js';
import type { Results } from './results.js';
import { layOut } from './table.js';
import { ACTIONS, type Action } from './tally.js';

const LABELS: Record<Action, string> = {
  read: 'reads',
  like: 'likes',
  tag: 'tags',
  extra: 'extra',
  follow: 'follows',
  post: 'posts',
};

/** `  CHECK followers: ` */
const CHECK_LABEL_WIDTH = 19;
/** `  PASSED` */
const VERDICT_WIDTH = 8;

/**
 * The end of a run, as text: operations, layers, statements, and the check.
 *
 * @param columns width of the terminal; Infinity when it is none
 */
export function formatReport(results: Results, paint: Paint, columns: number): string {
  const sections = [operations(results), layers(results), writes(results)];
  const lines = sections.flatMap(([title, rows]) => {
    const [head, ...body] = layOut(rows);
    return [`${paint('bold', title)}`, paint('dim', head ?? ''), ...body, ''];
  });
  return `${[...lines, ...checkLines(results, paint, columns)].join('\n')}\n`;
}

type Section = [title: string, rows: string[][]];

function operations(results: Results): Section {
  const seconds = results.durationMs / 1000;
  const rows = [['', 'count', 'per second', 'failed']];
  for (const action of ACTIONS) {
    const { done, failed } = results.byAction[action];
    if (done + failed === 0) continue;
    rows.push([LABELS[action], formatCount(done), formatCount(done / seconds), formatCount(failed)]);
  }
  const failed = ACTIONS.reduce((sum, action) => sum + results.byAction[action].failed, 0);
  rows.push([
    'all',
    formatCount(results.operations),
    formatCount(results.operationsPerSecond),
    formatCount(failed),
  ]);
  const early = results.interrupted ? ', stopped early' : '';
  const posts = `over ${formatCount(results.insertedPosts)} posts`;
  return [`Operations ${posts}, in ${formatSeconds(results.durationMs)}${early}`, rows];
}

function layers({ layers: { reads, l1, l2, joined, postgres, loadQueries } }: Results): Section {
  const row = (label: string, count: number, note = '') => [
    label,
    formatCount(count),
    formatShare(count, reads),
    note,
  ];
  const rows = [['', 'reads', 'share', '']];
  rows.push(row('L1 (shared memory)', l1));
  if (l2 !== undefined) rows.push(row('L2 (Redis)', l2));
  if (joined > 0) rows.push(row('joined a look-up under way', joined));
  const inQueries = loadQueries > 0 ? `in ${formatCount(loadQueries)} queries` : '';
  rows.push(row('PostgreSQL', postgres, inQueries));
  return ['Reads answered by', rows];
}

function writes({ writes: w }: Results): Section {
  const perStatement = w.statements === 0 ? '–' : (w.logical / w.statements).toFixed(1);
  const rows = [
    ['', 'writes', 'statements', 'per statement', 'BEGIN, COMMIT, marks'],
    [
      'aggregated',
      formatCount(w.logical),
      formatCount(w.statements),
      perStatement,
      formatCount(w.overheadStatements),
    ],
  ];
  if (w.strong > 0) rows.push(['posts, at once', formatCount(w.strong), formatCount(w.strong), '1.0', '0']);
  return ['Logical writes against statements sent to PostgreSQL', rows];
}

function checkLines(results: Results, paint: Paint, columns: number): string[] {
  const { flushes, flushFailures, flushLatencyMs, lastFlushMs } = results.writes;
  const failures = flushFailures === 0 ? '' : `, ${formatCount(flushFailures)} attempts failed`;
  const latency = `p50 ${formatMs(flushLatencyMs.p50)}, p99 ${formatMs(flushLatencyMs.p99)}`;
  // A trace has no follows; the likes are what this is about.
  const check = results.check.filter(({ name, empty }) => name === 'likes' || !empty);
  const widest = Math.max(...check.map(({ text }) => text.length));
  // Where verdicts in one column do not fit, they come right after their text.
  const width = CHECK_LABEL_WIDTH + widest + VERDICT_WIDTH <= columns ? widest : 0;
  return [
    `  ${formatCount(flushes)} flushes, ${latency}${failures}; the last ended ${formatMs(lastFlushMs)} after the load`,
    '',
    paint('bold', 'Check: what this process submitted against what is in PostgreSQL'),
    ...check.map(({ name, passed, text }) => {
      const verdict = passed ? paint('green', 'PASSED') : paint('red', 'FAILED');
      return `  CHECK ${`${name}:`.padEnd(10)} ${text.padEnd(width)}  ${verdict}`;
    }),
    '',
    results.passed
      ? paint('green', 'Check passed: every like submitted is in PostgreSQL exactly once.')
      : paint('red', 'Check FAILED: PostgreSQL does not hold what was submitted.'),
  ];
}
