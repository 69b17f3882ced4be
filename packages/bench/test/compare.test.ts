import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare, comparisonText, isWorse } from '../dist/compare.js';
import type { BenchRun, Spread } from '../dist/result.js';
import { checkRun } from '../dist/run-check.js';
import { readRun, writeRun } from '../dist/run-file.js';
import { runFixture } from './run-fixture.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const GET = 'reads.hit, against await ioredis GET';

/** Without the numbers that the fixture lacks on purpose. */
function whole(): BenchRun {
  const run = runFixture();
  for (const { contests } of run.suites) {
    for (const contest of contests) {
      contest.standings = contest.standings.filter(({ p50 }) => Number.isFinite(p50));
    }
  }
  return run;
}

function changed(change: (run: BenchRun) => void): BenchRun {
  const run = whole();
  change(run);
  return run;
}

function ratioOfGet(run: BenchRun): Spread {
  return run.suites[0]?.contests[0]?.standings.find(({ name }) => name === 'await ioredis GET')
    ?.ratio as Spread;
}

const scale = (ratio: Spread, by: number) => {
  ratio.median *= by;
  ratio.low *= by;
  ratio.high *= by;
};

test('a run is neither worse nor better than itself', () => {
  const comparison = compare(whole(), whole());
  expect(comparison).toMatchObject({
    regressions: [],
    improvements: [],
    missing: [],
    broken: [],
    cautions: [],
  });
  expect(comparison.compared).toBeGreaterThan(8);
  expect(isWorse(comparison)).toBe(false);
});

test('a contest that has become twice as bad is found, and the other way round is better', () => {
  const slower = changed((run) => scale(ratioOfGet(run), 0.5));
  const comparison = compare(whole(), slower);
  expect(comparison.regressions).toEqual([`${GET}: 386 × (366 to 405) → 193 × (183 to 203)`]);
  expect(isWorse(comparison)).toBe(true);
  expect(compare(slower, whole()).improvements).toEqual([`${GET}: 193 × (183 to 203) → 386 × (366 to 405)`]);
});

test('a workload of which the others now do more is worse', () => {
  const slower = changed((run) => {
    for (const { ratio, ours } of run.suites[3]?.workloads?.[0]?.runs ?? []) if (!ours) scale(ratio, 0.5);
  });
  const { regressions, improvements } = compare(whole(), slower);
  // The runs at a rate that was asked for do the same whatever happens.
  expect(regressions).toEqual([
    'viral, against Redis + PostgreSQL by hand (cache-aside): 12.8 × (12.2 to 13.5) → 6.41 × (6.09 to 6.73)',
    'viral, against Drizzle + Redis (cache-aside): 19.5 × (18.5 to 20.5) → 9.76 × (9.27 to 10.3)',
  ]);
  expect(improvements).toEqual([]);
});

test('what the rounds scatter is noise, however far the median moves', () => {
  const noisy = changed((run) => Object.assign(ratioOfGet(run), { median: 150, low: 140, high: 400 }));
  expect(compare(whole(), noisy).regressions).toEqual([]);
});

test('beyond the rounds, a little is still let pass', () => {
  expect(
    compare(
      whole(),
      changed((run) => scale(ratioOfGet(run), 0.8)),
    ).regressions,
  ).toEqual([]);
  expect(
    compare(
      whole(),
      changed((run) => scale(ratioOfGet(run), 0.75)),
    ).regressions,
  ).toHaveLength(1);
});

test('in a quick run only what is badly broken counts', () => {
  const quick = (by: number) =>
    changed((run) => {
      run.quick = true;
      scale(ratioOfGet(run), by);
    });
  expect(compare(quick(1), quick(0.3)).regressions).toEqual([]);
  expect(compare(quick(1), quick(0.1)).regressions).toHaveLength(1);
});

test('a contest or contender that is missing is told', () => {
  const less = changed((run) => {
    run.suites[0]?.contests.splice(0, 1);
  });
  const comparison = compare(whole(), less);
  expect(comparison.missing).toContain(GET);
  expect(comparisonText(comparison)).toContain(`Not measured this time:\n  ${GET}`);
  expect(isWorse(comparison)).toBe(false);
});

test('what is new is no regression', () => {
  const less = changed((run) => {
    run.suites[0]?.contests.splice(0, 1);
  });
  expect(compare(less, whole())).toMatchObject({ regressions: [], missing: [] });
});

test('of what must not happen, one is worse than none, and none is not', () => {
  const gaps = (measured: number) =>
    changed((run) => {
      run.suites[0]?.bars?.push({
        id: 'gaps',
        name: 'gaps',
        relation: '≤',
        bound: 5,
        measured,
        unit: '',
        met: true,
      });
    });
  expect(compare(gaps(0), gaps(1)).regressions).toHaveLength(1);
  expect(compare(gaps(0), gaps(0))).toMatchObject({ regressions: [], broken: [] });
});

test('another machine, another Node.js and a quick run beside a long one are told', () => {
  const other = changed((run) => {
    Object.assign(run.machine, { cpu: 'Another One', cpus: 64, node: 'v24.0.0' });
    run.quick = true;
  });
  const text = comparisonText(compare(whole(), other));
  expect(text).toContain('AMD EPYC "Milan" <7763>; Another One');
  expect(text).toContain('2 processors and 23.5 GiB then, 64 processors and 23.5 GiB now');
  expect(text).toContain('v20.20.2 then, v24.0.0 now');
  expect(text).toContain('The newer run is a quick one');
});

test('a ratio that is no number any more is as bad as a worse one', () => {
  const broken = changed((run) => Object.assign(ratioOfGet(run), { low: Number.NaN }));
  const comparison = compare(whole(), broken);
  expect(comparison.broken).toEqual([GET]);
  expect(comparisonText(comparison)).toContain(`No number came out this time:\n  ${GET}`);
  expect(isWorse(comparison)).toBe(true);
  expect(isWorse(compare(broken, whole()))).toBe(false);
});

describe('as a command', () => {
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'zmsg-compare-'));
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  function file(name: string, content: BenchRun | string): string {
    const path = join(dir, name);
    if (typeof content === 'string') writeFileSync(path, content);
    else writeRun(path, content);
    return path;
  }

  function bench(...args: string[]) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  test('ends with 0 against itself, and with 1 when something is worse', () => {
    const old = file('old.json', whole());
    const worse = file(
      'worse.json',
      changed((run) => scale(ratioOfGet(run), 0.5)),
    );
    expect(bench('--compare', old, '--results', old)).toMatchObject({ status: 0, stderr: '' });
    const { status, stdout } = bench('--compare', old, '--results', worse);
    expect(status).toBe(1);
    expect(stdout).toContain(`Worse than before:\n  ${GET}`);
  });

  test('ends with 1 when a number is gone', () => {
    const old = file('old.json', whole());
    const hole = file(
      'hole.json',
      changed((run) => Object.assign(ratioOfGet(run), { median: Number.POSITIVE_INFINITY })),
    );
    const { status, stdout } = bench('--compare', old, '--results', hole);
    expect(status).toBe(1);
    expect(stdout).toContain(GET);
  });

  test.each([
    ['broken JSON', '{"schema": 1,', 'JSON'],
    ['another JSON', '{"name": "@zmsg/bench"}', 'its schema is undefined, not 1'],
    ['no object', 'null', 'its schema is undefined, not 1'],
    ['a later schema', '{"schema": 2, "suites": []}', 'its schema is 2, not 1'],
    [
      'half a run',
      '{"schema": 1, "quick": false, "suites": [{"name": 4}]}',
      'machine is no object; suites[0].name is no text',
    ],
  ])('%s ends with 2 and the name of the file', (name, content, why) => {
    // Without --results too: it is found before anything is measured.
    const { status, stderr } = bench('--compare', file(`${name}.json`, content));
    expect(status).toBe(2);
    expect(stderr).toContain(`${name}.json holds no figures of this benchmark: `);
    expect(stderr).toContain(why);
  });

  test('so does a newer one, and one that is not there', () => {
    const good = file('good.json', whole());
    const { status, stderr } = bench('--compare', good, '--results', join(dir, 'nowhere.json'));
    expect(status).toBe(2);
    expect(stderr).toContain('nowhere.json');
  });

  test('every NaN and Infinity of a run is found, with its path', () => {
    const { faults, holes } = checkRun(runFixture());
    expect(faults).toEqual([]);
    expect(holes).toEqual([
      'suites[0].bars[1].measured',
      ...['p50', 'p75', 'p99', 'ratio.median', 'ratio.low', 'ratio.high'].map(
        (field) => `suites[1].contests[2].standings[2].${field}`,
      ),
      'suites[1].figures[1].value',
      'suites[3].curves[0].series[2].points[1][1]',
    ]);
    expect(checkRun(whole()).holes).toHaveLength(3);
  });

  test('a NaN comes back from a file as a NaN, not as zero', () => {
    const run = readRun(file('nan.json', runFixture()));
    expect(run.suites[0]?.bars?.[1]?.measured).toBeNaN();
    expect(run).toEqual(readRun(file('again.json', run)));
  });
});
