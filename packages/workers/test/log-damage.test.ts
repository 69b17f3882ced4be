import { expect, test } from 'vitest';
import { LogError } from '../dist/error.js';
import { frameLength } from '../dist/log/frame.js';
import type { ShardLog } from '../dist/log/shard-log.js';
import { LogDisk } from './log-disk.js';
import { append, definitionOf, openLog, range, read, type TestOperation, textOf } from './log-fixture.js';

function commit(log: ShardLog, operations: readonly TestOperation[]): void {
  append(log, operations);
  log.write();
  log.sync();
}

/** Three segments of some frames each, all of it synced; the last frame has sectors of zeros by its content. */
function smallLog(): { disk: LogDisk; expected: string[] } {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 4096 + 3500 });
  const definition = definitionOf(1);
  const commits = [
    range(1, 2, { length: 1600 }),
    range(3, 4, { length: 200, definition }),
    range(5, 5, { length: 250 }),
    range(8, 9, { length: 300, producer: 2 }),
    range(10, 10, { length: 300, definition }),
    range(11, 11, { length: 40 }),
    range(12, 14, { length: 70 }),
    range(15, 15, { length: 900 }),
    range(16, 16, { length: 30 }),
  ];
  for (const operations of commits) commit(log, operations);
  append(log, range(17, 17, { length: 2600 }));
  log.write();
  log.sync();
  log.close();
  return { disk, expected: [...commits.flat(), ...range(17, 17, { length: 2600 })].map(textOf) };
}

test('one flipped bit anywhere: all that was synced comes back as it was, or an error names the file', () => {
  const { disk, expected } = smallLog();
  expect(disk.paths().length).toBeGreaterThanOrEqual(3);
  let refused = 0;
  for (const path of disk.paths()) {
    const content = disk.content(path);
    // Between the header and the first frame nothing is read.
    for (let offset = 0; offset < content.length; offset += offset >= 64 && offset < 4096 ? 64 : 1) {
      const damaged = disk.clone();
      const flipped = Buffer.from(content);
      flipped[offset] = (flipped[offset] as number) ^ (1 << ((offset * 5) % 8));
      damaged.put(path, flipped);
      try {
        expect(read(openLog(damaged)), `${path} at ${offset}`).toEqual(expected);
      } catch (error) {
        if (!(error instanceof LogError)) throw error;
        expect(error.file).toBe(path);
        refused += 1;
      }
    }
  }
  // The headers and everything in the frames but their padding.
  expect(refused).toBeGreaterThan(3000);
});

test('the last segment cut at any byte: whole frames come back, and what was cut is said', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  const operations = [
    ...range(1, 2, { length: 200 }),
    ...range(3, 4, { length: 200 }),
    ...range(5, 5, { length: 1700 }),
  ];
  commit(log, operations.slice(0, 2));
  commit(log, operations.slice(2, 4));
  commit(log, operations.slice(4));
  const expected = operations.map(textOf);
  const [path = ''] = disk.paths();
  const content = disk.content(path);
  const second = 4096 + frameLength(400);
  const third = second + frameLength(400);
  for (let length = content.length; length >= 0; length--) {
    const cut = new LogDisk();
    cut.put(path, content.subarray(0, length));
    // The first frame was on disk before the segment had its name.
    if (length > 4096 && length < 4096 + 64 + 400) {
      expect(() => openLog(cut)).toThrow(/though it was on disk/);
      continue;
    }
    const again = openLog(cut);
    const count = length >= third + 64 + 1700 ? 5 : length >= second + 64 + 400 ? 4 : length > 4096 ? 2 : 0;
    expect(read(again), `at ${length}`).toEqual(expected.slice(0, count));
    const isAtFrame = length <= second ? length >= second - 64 : length >= third - 64 && length <= third;
    if (count < 5 && length !== 4096 && !isAtFrame) expect(again.tail?.file, `at ${length}`).toBe(path);
    // The log goes on behind the cut, and is whole again.
    const more = range(count + 1, count + 2);
    commit(again, more);
    const healed = openLog(cut);
    expect(healed.tail).toBeUndefined();
    expect(read(healed)).toEqual([...expected.slice(0, count), ...more.map(textOf)]);
  }
});

test('a segment before the last one cut at any byte of its frames is an error', () => {
  const { disk, expected } = smallLog();
  const [path = ''] = disk.paths();
  const content = disk.content(path);
  for (let length = content.length; length >= 0; length -= 7) {
    const damaged = disk.clone();
    damaged.put(path, content.subarray(0, length));
    let got: string[] | undefined;
    try {
      got = read(openLog(damaged));
    } catch (error) {
      expect((error as LogError).file).toBe(path);
    }
    if (got !== undefined) expect(got).toEqual(expected);
  }
});

test('a sector of zeros in front of a frame that was written later is damage, not the end', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  for (let position = 1; position <= 9; position++) commit(log, range(position, position, { length: 440 }));
  const [path = ''] = disk.paths();
  const content = disk.content(path);
  for (let at = 4096 + 512; at < 4096 + 8 * 512; at += 512) {
    const damaged = disk.clone();
    const zeroed = Buffer.from(content);
    zeroed.fill(0, at, at + 512);
    damaged.put(path, zeroed);
    expect(() => openLog(damaged)).toThrow(/says that everything here was on disk.*wal check.*wal cut/);
  }
});

test('frames that were not synced may be lost in the middle: the log ends before, and says so', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, range(1, 2));
  for (let position = 3; position <= 6; position++) {
    append(log, range(position, position, { length: 440 }));
    log.write();
  }
  let sector = 0;
  disk.crash(() => sector++ !== 1);
  const again = openLog(disk);
  expect(again.end).toBeLessThan(6);
  expect(again.tail).toMatchObject({ file: disk.paths()[0], reason: expect.stringMatching('not') });
  expect(read(again)).toHaveLength(again.end);
});

test('noise behind the last frame does not hide it, and is cut', () => {
  const { disk, expected } = smallLog();
  const path = disk.paths().at(-1) as string;
  const content = disk.content(path);
  const end = (content.findLastIndex((byte) => byte !== 0) + 64) & -64;
  content.fill(0xab, end, end + 50);
  disk.put(path, content);
  const log = openLog(disk);
  expect(read(log)).toEqual(expected);
  expect(log.tail).toEqual({
    file: path,
    offset: end,
    bytes: 50,
    reason: 'unreadable bytes behind the last frame',
  });
});

test('what a later segment has again does not need to be readable', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, range(1, 3));
  append(log, range(4, 6));
  log.write();
  let failures = 1;
  disk.fault = (call) => (call === 'fsync' && failures-- > 0 ? 'EIO' : undefined);
  log.sync();
  commit(log, range(7, 8));
  const [path = '', second = ''] = disk.paths();
  const content = disk.content(path);
  const from = content.indexOf(
    Buffer.from(textOf({ producer: 1, position: 4 }).split(' ').at(-1) as string, 'hex'),
  );
  content.fill(0x77, from, from + 2000);
  disk.put(path, content);
  expect(read(openLog(disk))).toEqual(range(1, 8).map(textOf));

  // A segment of which nothing counts may even have lost its header.
  append(log, range(9, 9));
  log.write();
  disk.put(second.replace('00000002', '00000003'), Buffer.from('rubbish'));
  const again = openLog(disk);
  expect(again.tail).toMatchObject({ offset: 0, bytes: 7, reason: 'the file is shorter than its header' });
  commit(again, range(again.end + 1, again.end + 1));
  expect(openLog(disk).end).toBe(10);
});
