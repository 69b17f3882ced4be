import { randomUUID } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogError } from '../dist/error.js';
import { cutLog } from '../dist/log/cut-log.js';
import { inspectLog } from '../dist/log/inspect-log.js';
import { createLayout, shardDir } from '../dist/log/layout.js';
import { ShardLog } from '../dist/log/shard-log.js';
import { append, range, read, textOf } from './log-fixture.js';

let walDir: string;
let options: Parameters<typeof ShardLog.open>[0];

beforeEach(() => {
  walDir = mkdtempSync(join(tmpdir(), 'zmsg-log-'));
  const { logId } = createLayout(walDir, { logId: randomUUID(), shards: 2 });
  options = { dir: shardDir(walDir, 1), logId, shard: 1, run: 5, segmentBytes: 8192 };
});

afterEach(() => rmSync(walDir, { recursive: true, force: true }));

/** Operations 1 to 40, five to a commit, in several segments. */
function fill(): string[] {
  const log = ShardLog.open(options);
  for (let position = 1; position <= 40; position += 5) {
    append(log, range(position, position + 4, { length: 300 }));
    log.write();
    log.sync();
  }
  log.close();
  return readdirSync(options.dir).map((name) => join(options.dir, name));
}

function damage(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes.fill(0x55, offset, offset + 100);
  writeFileSync(file, bytes);
}

function shard() {
  const found = inspectLog(walDir).shards[1];
  if (found === undefined) throw new Error('the shard is not there');
  return found;
}

test('an inspection tells what each segment holds, and changes nothing', () => {
  const files = fill();
  const { layout, fault, shards } = inspectLog(walDir);
  expect(layout?.logId).toBe(options.logId);
  expect(fault).toBeUndefined();
  expect(shards.map(({ end }) => end)).toEqual([0, 40]);
  const [first] = shard().segments;
  expect(first).toMatchObject({
    file: files[0],
    bytes: 8192,
    run: 5,
    first: 1,
    last: 10,
    frames: 2,
    operations: 10,
    state: 'ok',
  });
  expect(shard().segments.at(-1)?.last).toBe(40);
  expect(readdirSync(options.dir).map((name) => join(options.dir, name))).toEqual(files);
});

test('an inspection says what is torn, corrupt or missing instead of failing', () => {
  const files = fill();
  const [first = '', second = '', , last = ''] = files;
  const { offset = 0 } = shard().segments.at(-1) ?? {};
  writeFileSync(last, Buffer.concat([readFileSync(last).subarray(0, offset), Buffer.alloc(30, 7)]));
  expect(shard().segments.at(-1)).toMatchObject({
    state: 'torn',
    offset,
    reason: 'the file ends inside a frame',
  });
  damage(second, 4096 + 10);
  expect(shard().segments[1]).toMatchObject({ state: 'corrupt', offset: 4096 });
  expect(shard().end).toBe(10);
  unlinkSync(second);
  expect(shard().segments[0]).toMatchObject({ file: first, state: 'corrupt' });
  expect(shard().segments[0]?.reason).toMatch('operations 11 to 20 are missing');
  damage(first, 0);
  expect(shard().segments[0]).toMatchObject({
    state: 'corrupt',
    reason: 'the header has a wrong checksum',
    run: undefined,
  });
  writeFileSync(join(walDir, 'log.json'), 'nonsense');
  expect(inspectLog(walDir)).toMatchObject({
    layout: undefined,
    fault: expect.stringMatching('is not JSON'),
    shards: [],
  });
  rmSync(join(walDir, 'log.json'));
  expect(inspectLog(walDir)).toMatchObject({ layout: undefined, fault: undefined, shards: [] });
});

test('after a cut at the damage the log opens, ends before it, and what was cut is kept', () => {
  const files = fill();
  const [, second = ''] = files;
  const frame = (shard().segments[1]?.offset ?? 0) - 4096;
  const offset = 4096 + frame / 2;
  damage(second, offset + 100);
  const sizes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  expect(() => ShardLog.open(options)).toThrow(LogError);
  const cut = cutLog({ file: second, offset });
  expect(cut.discarded).toBe(20);
  expect(cut.files.map((file) => basename(file))).toEqual(
    [second, ...files.slice(2).reverse()].map((file) => `${basename(file)}.cut`),
  );
  expect(
    readdirSync(options.dir).reduce((sum, name) => sum + statSync(join(options.dir, name)).size, 0),
  ).toBe(sizes);
  expect(shard().cut).toHaveLength(cut.files.length);

  const log = ShardLog.open(options);
  expect(log.end).toBe(15);
  expect(read(log)).toEqual(range(1, 15, { length: 300 }).map(textOf));
  append(log, range(16, 17));
  log.write();
  log.close();
  expect(ShardLog.open(options).end).toBe(17);
});

test('a cut before the first frame leaves the header, which still voids what an earlier segment holds', () => {
  const [, second = ''] = fill();
  expect(cutLog({ file: second, offset: 0 }).discarded).toBe(30);
  expect(statSync(second).size).toBe(4096);
  expect(ShardLog.open(options).end).toBe(10);
});

test('a segment whose header is damaged is moved away as a whole', () => {
  const [, second = ''] = fill();
  damage(second, 8);
  expect(() => ShardLog.open(options)).toThrow(/header has a wrong checksum/);
  expect(cutLog({ file: second, offset: 0 }).discarded).toBe(20);
  expect(ShardLog.open(options).end).toBe(10);
});

test('a second cut of the same segment keeps what the first one moved away', () => {
  const [first = ''] = fill();
  const { offset = 0 } = shard().segments[0] ?? {};
  cutLog({ file: first, offset });
  cutLog({ file: first, offset: 4096 + (offset - 4096) / 2 });
  expect(shard().cut.filter((file) => file.startsWith(first))).toHaveLength(2);
  expect(ShardLog.open(options).end).toBe(5);
});

test('a cut of something else, or where no frame can begin, is refused', () => {
  const [first = ''] = fill();
  expect(() => cutLog({ file: join(walDir, 'log.json'), offset: 0 })).toThrow('is not a segment of a log');
  expect(() => cutLog({ file: first, offset: 100 })).toThrow('frames begin at multiples of 64');
  expect(() => cutLog({ file: first, offset: 64_000 })).toThrow('it has 8192 bytes');
  truncateSync(first, 0);
  expect(() => cutLog({ file: first.replace('00000001', '00000077'), offset: 0 })).toThrow(/ENOENT/);
});
