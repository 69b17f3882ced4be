import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { LogError } from '../dist/error.js';
import { createLayout, readLayout, removeLayout, shardDir } from '../dist/log/layout.js';
import { ShardLog } from '../dist/log/shard-log.js';
import { LogDisk } from './log-disk.js';
import { append, definitionOf, LOG_ID, openLog, range, read, textOf, toAppend } from './log-fixture.js';

let scratch: string | undefined;

function scratchDir(): string {
  scratch = mkdtempSync(join(tmpdir(), 'zmsg-log-'));
  return scratch;
}

afterEach(() => {
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
  scratch = undefined;
});

/** Errors that name a place in the log. */
function refusal(open: () => unknown): LogError {
  try {
    open();
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function commit(log: ShardLog, ...operations: Parameters<typeof append>[1][]): void {
  for (const each of operations) append(log, each);
  log.write();
  log.sync();
}

test('what was written comes back after a reopen, on a real file system', () => {
  const walDir = join(scratchDir(), 'wal');
  const { logId } = createLayout(walDir, { logId: randomUUID(), shards: 4 });
  const options = { dir: shardDir(walDir, 3), logId, shard: 3, run: 7, segmentBytes: 16 * 1024 };
  const operations = range(1, 200, { length: 333 });
  const log = ShardLog.open(options);
  for (let i = 0; i < operations.length; i += 20) commit(log, operations.slice(i, i + 20));
  expect(log.end).toBe(0);
  expect(log.written).toBe(200);
  expect(log.synced).toBe(200);
  log.close();

  writeFileSync(join(options.dir, '00000099-12345678.seg.tmp'), 'half a segment');
  const again = ShardLog.open({ ...options, run: 8 });
  expect(again.end).toBe(200);
  expect(again.tail).toBeUndefined();
  expect(read(again)).toEqual(operations.map(textOf));
  expect(new Set([...again.frames(0)].map(({ run }) => run))).toEqual(new Set([7]));
  expect(again.bytes).toBe(readdirSync(options.dir).length * 16 * 1024);
  again.destroy();
  expect(readdirSync(walDir)).toEqual(['log.json']);
  removeLayout(walDir);
  expect(readdirSync(walDir)).toEqual([]);
  removeLayout(walDir);
});

test('consecutive operations of one producer are one frame; another producer, a gap or a write ends it', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  append(log, range(1, 3));
  append(log, range(4, 4, { producer: 2 }));
  append(log, range(5, 6));
  append(log, range(9, 10));
  log.write();
  append(log, range(11, 11));
  log.write();
  const again = openLog(disk);
  const frames = [...again.frames(0)].map(({ producer, first, position, count }) => [
    producer,
    first,
    position,
    count,
  ]);
  expect(frames).toEqual([
    [1, 1, 3, 3],
    [2, 4, 4, 1],
    [1, 5, 6, 2],
    [1, 9, 10, 2],
    [1, 11, 11, 1],
  ]);
  expect([...again.frames(9)].map(({ first }) => first)).toEqual([9, 11]);
  expect([...again.frames(11)]).toEqual([]);
});

test('a definition is written once in a segment and producer, and again after a rotation', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  const definition = definitionOf(2);
  for (let position = 1; position <= 120; position += 2) {
    commit(
      log,
      range(position, position, { definition }),
      range(position + 1, position + 1, { producer: 2, definition }),
    );
  }
  const defined = new Map<string, number>();
  const again = openLog(disk);
  for (const { segment, producer, payload } of again.frames(0)) {
    for (let at = 0; at < payload.length; at += (payload.readInt32LE(at) + 3) & ~3) {
      const key = `${segment} ${producer}`;
      if (payload[at + 4] === 1) defined.set(key, (defined.get(key) ?? 0) + 1);
    }
  }
  expect(disk.paths().length).toBeGreaterThan(2);
  expect(defined.size).toBe(disk.paths().length * 2);
  expect([...defined.values()].every((count) => count === 1)).toBe(true);
});

test('frames behind a position come with the definitions that they need, though those stand before it', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  const definition = definitionOf(1);
  commit(log, range(1, 5, { definition }));
  commit(log, range(6, 10));
  commit(log, range(11, 15, { definition }));
  const again = openLog(disk);
  expect(read(again, 10)).toEqual(range(11, 15, { definition }).map(textOf));
  // The frame in between holds nothing that is needed.
  expect([...again.frames(10)].map(({ first }) => first)).toEqual([1, 11]);
});

test('an id that a producer uses again for another shape means the newer one, in every segment', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  const [old, renamed] = [definitionOf(3, 20), definitionOf(3, 30)];
  commit(log, range(1, 2, { definition: old }));
  // Not yet on disk when the segment is given up: both have to be carried over, each in its place.
  append(log, [...range(3, 4, { definition: old }), ...range(5, 6, { definition: renamed })]);
  let failures = 1;
  disk.fault = (call) => (call === 'write' && failures-- > 0 ? 'EIO' : undefined);
  log.write();
  const [, carried] = disk.paths();
  const lengths: number[] = [];
  for (const { segment, payload } of openLog(disk).frames(0)) {
    if (!carried?.endsWith(segment)) continue;
    for (let at = 0; at < payload.length; at += (payload.readInt32LE(at) + 3) & ~3)
      lengths.push(payload.readInt32LE(at));
  }
  expect(lengths).toEqual([20, 40, 40, 30, 40, 40]);
});

test('a commit that is larger than a segment gets a segment of its own', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  commit(log, range(1, 2));
  commit(log, range(3, 60, { length: 1000 }));
  commit(log, range(61, 62));
  const again = openLog(disk);
  expect(read(again)).toEqual(
    [...range(1, 2), ...range(3, 60, { length: 1000 }), ...range(61, 62)].map(textOf),
  );
  expect(disk.paths()).toHaveLength(3);
});

test('released segments are deleted, the current one never, and the log goes on behind them', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  for (let position = 1; position <= 50; position += 5)
    commit(log, range(position, position + 4, { length: 400 }));
  const before = disk.paths().length;
  log.release(25);
  const after = disk.paths().length;
  expect(after).toBeLessThan(before);
  expect(log.bytes).toBe(after * 8192);
  expect(read(openLog(disk), 25)).toEqual(range(26, 50, { length: 400 }).map(textOf));
  log.release(50);
  expect(disk.paths()).toHaveLength(1);
  commit(log, range(51, 52));
  expect(read(openLog(disk), 50)).toEqual(range(51, 52).map(textOf));
});

test('a log that begins behind the position asked for is refused: operations are missing', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  for (let position = 1; position <= 50; position += 5)
    commit(log, range(position, position + 4, { length: 400 }));
  log.release(25);
  const again = openLog(disk);
  const error = refusal(() => read(again, 3));
  expect(error.message).toMatch(/operations 4 to \d+ are not in the log/);
  expect(error.file).toBe(disk.paths()[0]);
});

test('a released log whose last segment is empty does not pass for one that holds everything', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, range(1, 5));
  log.close();
  const second = openLog(disk);
  commit(second, range(6, 7));
  second.release(5);
  const [path = ''] = disk.paths();
  expect(disk.paths()).toHaveLength(1);
  disk.put(path, disk.content(path).subarray(0, 4096));
  const cut = openLog(disk);
  expect(cut.end).toBe(5);
  expect(read(cut, 5)).toEqual([]);
  expect(refusal(() => read(cut, 2)).message).toMatch('operations 3 to 5 are not in the log');
});

test('a segment that is missing in the middle is noticed', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  for (let position = 1; position <= 50; position += 5)
    commit(log, range(position, position + 4, { length: 400 }));
  const [first = '', second = ''] = disk.paths();
  disk.remove(second);
  const error = refusal(() => openLog(disk));
  expect(error.message).toMatch(/operations \d+ to \d+ are missing before the next segment/);
  expect(error.file).toBe(first);
});

test('a segment of another log, of another shard or under another name is refused', () => {
  const disk = new LogDisk();
  commit(openLog(disk), range(1, 5));
  const [path = ''] = disk.paths();
  const otherId = LOG_ID.replaceAll('1', '9');
  expect(refusal(() => openLog(disk, { logId: otherId })).message).toMatch(
    `belongs to log ${LOG_ID}, not ${otherId}`,
  );
  expect(refusal(() => openLog(disk, { shard: 4 })).message).toMatch('belongs to shard 3, not 4');
  disk.put(path.replace('00000001', '00000002'), disk.content(path));
  disk.remove(path);
  expect(refusal(() => openLog(disk)).file).toBe(path.replace('00000001', '00000002'));
});

test('positions that do not rise are refused, and nothing is collected', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  append(log, range(5, 6));
  expect(() => log.append(toAppend({ producer: 1, position: 6 }))).toThrow(RangeError);
  log.write();
  expect(read(openLog(disk), 4)).toEqual(range(5, 6).map(textOf));
  expect(() => openLog(disk).append(toAppend({ producer: 1, position: 6 }))).toThrow(RangeError);
});

test('more than 16 MiB that are not synced are synced by the write', () => {
  const log = openLog(new LogDisk(), { dir: scratchDir(), files: undefined, segmentBytes: 32 << 20 });
  commit(log, range(1, 1));
  append(log, range(2, 17, { length: 1 << 20 }));
  log.write();
  expect(log.synced).toBe(17);
  log.close();
});

test('the layout is read as it was written; another format, a torn file or a foreign one is an error', () => {
  const walDir = join(scratchDir(), 'wal');
  expect(readLayout(walDir)).toBeUndefined();
  const layout = createLayout(walDir, { logId: randomUUID(), shards: 16 });
  expect(readLayout(walDir)).toEqual(layout);
  const file = join(walDir, 'log.json');
  for (const [text, reason] of [
    ['{"format":2}', 'has format 2; this program knows 1'],
    ['{"format":1,', 'is not JSON'],
    ['null', 'has format undefined'],
    [JSON.stringify({ ...layout, logId: '../..' }), '"logId" is missing or wrong'],
    [JSON.stringify({ ...layout, shards: 1.5 }), '"shards" is missing or wrong'],
  ] as const) {
    writeFileSync(file, text);
    const error = refusal(() => readLayout(walDir));
    expect(error.message).toMatch(reason);
    expect(error.file).toBe(file);
  }
});
