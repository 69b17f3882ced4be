import { expect, test } from 'vitest';
import { analysis } from '../dist/analyse/analysis.js';
import { campOf } from '../dist/analyse/rival.js';
import type { BenchRun, Contest } from '../dist/result.js';
import { HOSTILE, runFixture } from './run-fixture.js';

/** The lines below a heading, up to the next one of the same rank or a higher. */
function below(text: string, ...headings: string[]): string {
  let part = text;
  for (const [at, heading] of headings.entries()) {
    const marks = '#'.repeat(at + 2);
    const from = part.indexOf(`\n${marks} ${heading}\n`);
    if (from < 0) return '';
    const rest = part.slice(from + 1);
    const head = heading.length + marks.length + 1;
    const end = rest.slice(head).search(new RegExp(`^#{2,${at + 2}} `, 'm'));
    part = end < 0 ? rest : rest.slice(0, head + end);
  }
  return part;
}

const REDIS = 'Beside Redis and PostgreSQL, by hand';
const ORM = 'Beside an ORM and Redis';
const WINS = 'Where zmsg wins';
const EQUALS = 'Where it makes no difference';
const LOSES = 'Where it does not win';

const contestOf = (run: BenchRun, id: string) =>
  run.suites.flatMap(({ contests }) => contests).find((contest) => contest.id === id) as Contest;

test.each([
  ['await ioredis GET', 'redis and postgres'],
  ['one awaited UPDATE each (pg pool)', 'redis and postgres'],
  ['UPDATE, then SET', 'redis and postgres'],
  ['MGET, then WHERE id = ANY', 'redis and postgres'],
  ['await cache-aside by hand', 'redis and postgres'],
  ['cache-aside (ioredis + pg)', 'redis and postgres'],
  ['await Drizzle, cached in Redis', 'orm and redis'],
  ['Drizzle + ioredis', 'orm and redis'],
  ['await bentocache (memory over Redis)', 'libraries'],
  ['lru-cache', 'libraries'],
  ['Map (no bound, no TTL)', 'libraries'],
  ['queue.add (BullMQ)', 'libraries'],
  ['knex.raw toSQL()', 'libraries'],
  ['@sapphire/snowflake', 'libraries'],
  ['nodejs-snowflake', 'libraries'],
  ['Date.now()', 'libraries'],
  ['set and update of something', 'others'],
])('%s stands for: %s', (name, camp) => {
  expect(campOf(name)).toBe(camp);
});

test('it says by how much zmsg wins, with the range of the rounds, and what each has promised', () => {
  const wins = below(analysis(runFixture()), REDIS, WINS);
  expect(wins).toContain(
    '`await get` takes 210 ns, `await ioredis GET` 81 µs: **386 times as long** as zmsg (366 to 405 in the rounds). When it has answered, zmsg: *a value of its own, from L1*; the other: *a round trip on loopback*.',
  );
  expect(wins).toContain(
    '`zmsg` answers 41,000/s, `Redis + PostgreSQL by hand (cache-aside)` 3,200/s: zmsg does **12.8 times as much** (12.2 to 13.5 in the rounds)',
  );
});

test('where a rate was asked for, latencies are compared, and what reached the database', () => {
  expect(below(analysis(runFixture()), REDIS, WINS)).toContain(
    'at 2,000/s, 99 of 100 answers of `zmsg` come within 800 µs, of `Redis + PostgreSQL by hand (cache-aside)` within 2 ms: **2.5 times as long** (one figure for all rounds, without a spread). PostgreSQL ran 812 statements for zmsg, 98,231 for the other.',
  );
});

test('who has not kept up with the rate is told', () => {
  const run = runFixture();
  const slow = run.suites[3]?.workloads?.[0]?.runs[4];
  if (slow !== undefined) slow.throughput.median = 1_200;
  expect(analysis(run)).toContain(
    '`Redis + PostgreSQL by hand (cache-aside)` did not keep up: it answered 1,200/s.',
  );
});

test('it says where zmsg does not win, and repeats it under when not to use it', () => {
  const text = analysis(runFixture());
  expect(below(text, ORM, LOSES)).toContain(
    '`zmsg` answers 21,000/s, `bentocache + Drizzle` 23,400/s: the other does **1.11 times as much** (1.06 to 1.17 in the rounds)',
  );
  expect(below(text, 'When not to use it')).toContain('- A social feed under load');
});

test('the figures decide, not the text: the other way round it is the other way round', () => {
  const run = runFixture();
  const [ours, , redis] = contestOf(run, 'reads.hit').standings;
  Object.assign(ours ?? {}, { p50: 81_000 });
  Object.assign(redis ?? {}, { p50: 210, ratio: { median: 0.0026, low: 0.0025, high: 0.0027 } });
  const text = analysis(run);
  expect(below(text, REDIS, LOSES)).toContain(
    '`await get` takes 81 µs, `await ioredis GET` 210 ns: zmsg takes **385 times as long** (370 to 400 in the rounds)',
  );
  expect(below(text, 'When not to use it')).toContain('- A read of what the cache has');
});

test('when the rounds do not agree there is no difference', () => {
  const run = runFixture();
  const redis = contestOf(run, 'reads.hit').standings[2];
  Object.assign(redis ?? {}, { ratio: { median: 5, low: 0.9, high: 400 } });
  expect(below(analysis(run), REDIS, EQUALS)).toContain(
    '`await ioredis GET` 81 µs: no difference that stands out (0.9 to 400 times as long as zmsg in the rounds)',
  );
});

test('the summary of a section counts what follows', () => {
  expect(below(analysis(runFixture()), REDIS)).toContain(
    '7 comparisons: zmsg is ahead in 5, behind in 0, and in 2 the rounds do not tell.',
  );
});

test('what is missing is left out, and listed', () => {
  const run = runFixture();
  run.suites = run.suites.filter(({ name }) => name !== 'writes');
  const text = analysis(run);
  const missing = below(text, 'Not measured in this run');
  expect(missing).toContain('(writes.store)');
  expect(missing).toContain('(reads.l2)');
  expect(missing).not.toContain('(reads.hit)');
  expect(text.match(/writes\.store/g)).toHaveLength(1);
});

test('a topic has been measured by any contest whose id begins with it', () => {
  const run = runFixture();
  const [viral] = run.suites[3]?.workloads ?? [];
  Object.assign(viral ?? {}, { id: 'cold-start' });
  contestOf(run, 'reads.hit').id = 'reads.many.hits';
  contestOf(run, 'reads.miss').id = 'reads.manyfold';
  const missing = below(analysis(run), 'Not measured in this run');
  expect(missing).not.toMatch(/\((cold|reads\.many)\)/);
  expect(missing).toContain('(reads.miss)');
  expect(missing).toContain('(viral)');
});

test('a figure that is no number becomes no sentence', () => {
  const run = runFixture();
  Object.assign(contestOf(run, 'reads.hit').standings[2] ?? {}, { p50: Number.NaN });
  const text = analysis(run);
  expect(below(text, 'Not measured in this run')).toContain(
    'against `await ioredis GET`: no number came out',
  );
  expect(text.match(/await ioredis GET/g)).toHaveLength(1);
  expect(text).not.toMatch(/NaN|Infinity|undefined/);
});

test('a run in which nobody took part but we has no comparison, and says so', () => {
  const run = runFixture();
  run.suites = [];
  const text = analysis(run);
  expect(below(text, 'Not measured in this run')).toContain(`- ${ORM}`);
  expect(below(text, 'Not measured in this run')).toContain(`- ${REDIS}`);
  expect(text).not.toContain(`## ${REDIS}`);
  expect(below(text, 'When not to use it')).toContain('One PostgreSQL');
});

test('a quick run says so at the top', () => {
  const text = analysis({ ...runFixture(), quick: true });
  expect(text.split('\n')[2]).toContain('**A quick run.**');
  expect(analysis(runFixture())).not.toContain('A quick run');
});

test('a missed bound is named, with what was measured', () => {
  const text = below(analysis(runFixture()), 'What the project promises of itself');
  expect(text).toContain('2 of 4 bounds are kept. Missed:');
  expect(text).toContain('- a bar of which no number came out: no number, promised ≤ 2 ×');
});

test('hostile names stay text', () => {
  const text = analysis(runFixture());
  expect(text).not.toContain(HOSTILE);
  // Outside of code, where Markdown would take it for an element.
  expect(text.replace(/`[^`\n]*`/g, '')).not.toMatch(/<[a-z]/i);
});
