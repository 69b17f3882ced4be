import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BEGIN, benchTable, END, MarkersMissingError, withTable } from '../dist/report/readme.js';
import { writeRun } from '../dist/run-file.js';
import { HOSTILE, runFixture } from './run-fixture.js';

const MAIN = fileURLToPath(new URL('../dist/report/main.js', import.meta.url));
const README = fileURLToPath(new URL('../../../README.md', import.meta.url));
const around = (between: string) => `# A project\n\n${BEGIN}\n${between}${END}\n\nMore.\n`;

test('what lies between the markers is replaced, and nothing else', () => {
  const once = withTable(around('an older table\n'), runFixture(), 'README.md');
  expect(once).toBe(around(`${benchTable(runFixture())}\n`));
  expect(withTable(around(''), runFixture(), 'README.md')).toBe(once);
});

test('a second time changes nothing', () => {
  const once = withTable(around(''), runFixture(), 'README.md');
  expect(withTable(once, runFixture(), 'README.md')).toBe(once);
});

test.each([
  ['no markers', '# A project\n'],
  ['no end', `${BEGIN}\n`],
  ['no beginning', `${END}\n`],
  ['the end first', `${END}\n${BEGIN}\n`],
  ['two beginnings', `${BEGIN}\n${BEGIN}\n${END}\n`],
  ['two ends', `${BEGIN}\n${END}\n${END}\n`],
  ['markers that are only spoken of', `Write ${BEGIN} and ${END} into it.\n`],
])('%s: refused', (_, text) => {
  expect(() => withTable(text, runFixture(), 'X.md')).toThrow(MarkersMissingError);
  expect(() => withTable(text, runFixture(), 'X.md')).toThrow('X.md');
});

test('every contender that is not ours has a row, with its ratio and the range of the rounds', () => {
  const table = benchTable(runFixture());
  expect(table).toContain(
    '| A hit, 100 bytes, 10,000 keys (every value checked) | await get: 210 ns | await ioredis GET | 81 µs | **386 ×** (366 to 405) |',
  );
  expect(table).toContain(
    '|  |  | lru-cache, before a cache-aside with Drizzle | 203 ns | **0.97 ×** (0.92 to 1.02) |',
  );
  expect(table).toContain('| One post gets half of all likes | **zmsg** | 41,000/s |');
  expect(table).not.toContain('Building a statement'); // nobody else takes part
  expect(table).not.toContain('A quick run');
  expect(table).not.toMatch(/NaN|undefined|Infinity/);
});

test('a quick run says so above its figures', () => {
  expect(benchTable({ ...runFixture(), quick: true })).toMatch(/^\*\*A quick run/);
});

test('no name breaks out of its cell', () => {
  const table = benchTable(runFixture());
  const rows = table.split('\n').filter((line) => line.startsWith('|'));
  const cells = (row: string) => row.split(/(?<!\\)\|/).length - 2;
  expect(new Set(rows.map(cells))).toEqual(new Set([5, 6]));
  expect(table).not.toMatch(/<(?!\/?b>)[a-z]/i);
  expect(table).not.toContain(HOSTILE);
  expect(table).toContain('\\| pipe \\`tick\\`');
});

test('the README has the markers', () => {
  expect(withTable(readFileSync(README, 'utf8'), runFixture(), 'README.md')).toContain('await ioredis GET');
});

describe('as a command', () => {
  let dir: string;
  let figures: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'zmsg-readme-'));
    figures = join(dir, 'run.json');
    writeRun(figures, runFixture());
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const run = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, ...args], { cwd: dir, encoding: 'utf8' });

  test('it rewrites the file, and leaves it alone the second time', () => {
    const readme = join(dir, 'README.md');
    writeFileSync(readme, around(''));
    expect(run('--readme', readme, figures)).toMatchObject({ status: 0, stderr: '' });
    const { mtimeMs } = statSync(readme);
    expect(readFileSync(readme, 'utf8')).toContain('await ioredis GET');
    expect(run('--readme', readme, figures).stdout).toContain('is as it should be');
    expect(statSync(readme).mtimeMs).toBe(mtimeMs);
  });

  test('without markers nothing is written, and it ends with 2', () => {
    const readme = join(dir, 'BARE.md');
    writeFileSync(readme, '# Bare\n');
    const { status, stderr } = run('--readme', readme, figures);
    expect(status).toBe(2);
    expect(stderr).toContain('BARE.md must have <!-- bench:begin -->');
    expect(readFileSync(readme, 'utf8')).toBe('# Bare\n');
  });

  test.each([
    ['a file that is not there', ['nowhere.json']],
    ['a README that is not there', ['--readme', 'NOWHERE.md', 'run.json']],
    ['an unknown option', ['--colour']],
    ['two files', ['a.json', 'b.json']],
  ])('%s ends with 2 and no stack', (_, args) => {
    const { status, stdout, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stdout + stderr).not.toBe('');
    expect(stderr).not.toContain('    at ');
  });
});
