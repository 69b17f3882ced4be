import { expect, test } from 'vitest';
import { formatCount, formatShare } from '../dist/demo/figures.js';
import { paintFor } from '../dist/demo/paint.js';
import { progressOn } from '../dist/demo/progress.js';
import { formatReport } from '../dist/demo/report.js';
import type { Results } from '../dist/demo/results.js';

const ESCAPE = String.fromCharCode(0x1b);
const plain = paintFor({}, {});

const results: Results = {
  durationMs: 10_000,
  interrupted: false,
  insertedPosts: 20_000,
  operations: 1_000_000,
  operationsPerSecond: 100_000,
  byAction: {
    read: { done: 900_000, failed: 0 },
    like: { done: 100_000, failed: 3 },
    tag: { done: 0, failed: 0 },
    extra: { done: 0, failed: 0 },
    follow: { done: 0, failed: 0 },
    post: { done: 0, failed: 0 },
  },
  layers: { reads: 900_000, l1: 899_999, l2: undefined, joined: 0, postgres: 1, loadQueries: 1 },
  writes: {
    logical: 100_000,
    statements: 50,
    overheadStatements: 150,
    flushes: 50,
    flushFailures: 0,
    flushLatencyMs: { p50: 5, p99: 20, max: 30 },
    strong: 0,
    lastFlushMs: 42,
  },
  check: [
    {
      name: 'likes',
      passed: true,
      empty: false,
      text: '100,003 submitted, 100,000 in PostgreSQL, 0 missing, 0 double',
    },
    { name: 'tags', passed: true, empty: true, text: '0 submitted' },
    { name: 'reads', passed: true, empty: false, text: '900,000 answered' },
  ],
  passed: true,
};

test('the report shows what was done, who answered, what it cost, and the check', () => {
  const lines = formatReport(results, plain, Number.POSITIVE_INFINITY).split('\n');
  expect(lines).toContain('  reads    900,000      90,000       0');
  expect(lines).toContain('  likes    100,000      10,000       3');
  expect(lines).toContain('  L1 (shared memory)  899,999  99.99 %');
  expect(lines.some((line) => /^ {2}aggregated +100,000 +50 +2000\.0 +150$/.test(line))).toBe(true);
  expect(lines).toContain(
    '  CHECK likes:     100,003 submitted, 100,000 in PostgreSQL, 0 missing, 0 double  PASSED',
  );
  expect(lines.some((line) => line.includes('tags'))).toBe(false);
  expect(lines.some((line) => line.includes('Redis'))).toBe(false);
});

test('a failed check is said at its line and at the end', () => {
  const check = [
    { name: 'likes' as const, passed: false, empty: false, text: '5 submitted, 4 in PostgreSQL' },
  ];
  const text = formatReport({ ...results, check, passed: false }, plain, Number.POSITIVE_INFINITY);
  expect(text).toMatch(/CHECK likes: .* FAILED\n/);
  expect(text).toContain('Check FAILED');
  expect(text).not.toContain('PASSED');
});

test('on a narrow terminal the verdict comes right after its text', () => {
  expect(formatReport(results, plain, 60)).toContain('  CHECK reads:     900,000 answered  PASSED');
});

test('colours need a terminal, and none that NO_COLOR or TERM=dumb forbids', () => {
  expect(paintFor({ isTTY: true }, {})('red', 'x')).toBe(`${ESCAPE}[31mx${ESCAPE}[39m`);
  expect(paintFor({ isTTY: true }, { NO_COLOR: '' })('red', 'x')).not.toBe('x');
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }])
    expect(paintFor({ isTTY: true }, env)('red', 'x')).toBe('x');
  expect(paintFor({ isTTY: false }, {})('red', 'x')).toBe('x');
});

const snapshot = {
  elapsedMs: 2_000,
  totalMs: 10_000,
  operations: 300_000,
  operationsPerSecond: 150_000,
  readsPerSecond: 135_000,
  writesPerSecond: 15_000,
  l1HitRate: 0.97,
  failures: 0,
  pendingOperations: 1_234,
  pendingGroups: 567,
  flushes: 8,
  shardOperations: 30_000,
  statements: 12,
  inFlight: 256,
};

test('progress into a pipe is one plain line at a time', () => {
  let written = '';
  const progress = progressOn({ write: (text) => (written += text) }, plain);
  progress.phase('inserting …');
  progress.show(snapshot);
  progress.show({ ...snapshot, totalMs: undefined, failures: 2 });
  progress.end();
  expect(written.split('\n')).toEqual([
    'inserting …',
    '2.0 s of 10.0 s  150,000 ops/s  L1 97.0 %  pending 1,234  flushes 8  statements 12',
    '2.0 s  150,000 ops/s  L1 97.0 %  pending 1,234  flushes 8  statements 12  failed 2',
    '',
    '',
  ]);
});

test('progress on a terminal is written over in place, and gone at the end', () => {
  let written = '';
  const progress = progressOn({ isTTY: true, write: (text) => (written += text) }, plain);
  progress.show(snapshot);
  const lines = written.split('\n').length - 1;
  progress.show(snapshot);
  expect(written.split(`${ESCAPE}[${lines}A`)).toHaveLength(2);
  progress.end();
  // Up to its first line, everything below erased, the cursor shown again.
  expect(written.endsWith(`${ESCAPE}[${lines}A\r${ESCAPE}[J${ESCAPE}[?7h${ESCAPE}[?25h`)).toBe(true);
  const before = written;
  progress.end();
  expect(written).toBe(before);
});

test.each([
  [1, 1, '100.0 %'],
  [0, 5, '0.0 %'],
  [1, 3, '33.3 %'],
  [9_999_999, 10_000_000, '99.99 %'],
  [0, 0, '–'],
])('%d of %d is %s', (part, all, text) => {
  expect(formatShare(part, all)).toBe(text);
});

test('counts have separators', () => {
  expect(formatCount(1_234_567.4)).toBe('1,234,567');
});
