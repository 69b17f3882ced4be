import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogError } from '../dist/error.js';
import type { ShardLog } from '../dist/log/shard-log.js';
import { type DiskCall, LogDisk } from './log-disk.js';
import { append, DIR, LOG_ID, openLog, range, read, textOf } from './log-fixture.js';

/** Lets the next `times` calls fail. */
function fail(disk: LogDisk, call: DiskCall, code = 'EIO', times = 1): void {
  let left = times;
  disk.fault = (made) => (made === call && left-- > 0 ? code : undefined);
}

function refusal(call: () => unknown): LogError {
  try {
    call();
  } catch (error) {
    if (error instanceof LogError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function commit(log: ShardLog, from: number, to: number): void {
  append(log, range(from, to));
  log.write();
  log.sync();
}

test('a failed fsync is not tried again: what it owed is on disk in a new segment', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, 1, 3);
  append(log, range(4, 6));
  log.write();
  fail(disk, 'fsync');
  log.sync();
  expect(log.synced).toBe(6);
  expect(disk.paths()).toHaveLength(2);
  expect(disk.openFiles).toBe(1);
  disk.crash(() => false);
  expect(read(openLog(disk))).toEqual(range(1, 6).map(textOf));
});

test('a failed write goes to a new segment, with what was written before and not synced', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, 1, 3);
  append(log, range(4, 6));
  log.write();
  append(log, range(7, 9));
  fail(disk, 'write', 'ENOSPC');
  log.write();
  expect(log.synced).toBe(9);
  disk.crash(() => false);
  expect(read(openLog(disk))).toEqual(range(1, 9).map(textOf));
});

test('a disk that takes only some bytes at a time gets all of them', () => {
  const disk = new LogDisk();
  disk.maxWrite = 100;
  const log = openLog(disk);
  commit(log, 1, 3);
  commit(log, 4, 20);
  disk.crash(() => false);
  expect(read(openLog(disk))).toEqual(range(1, 20).map(textOf));
});

test('with no segment that takes it, what was collected is refused and what was written stays owed', () => {
  const disk = new LogDisk();
  let now = 1000;
  const log = openLog(disk, { now: () => now });
  commit(log, 1, 3);
  append(log, range(4, 6));
  log.write();
  append(log, range(7, 9));
  fail(disk, 'write', 'ENOSPC', 2);
  const error = refusal(() => log.write());
  expect(error.message).toMatch(/the log cannot be written: ENOSPC.*; in a new segment: ENOSPC/);
  expect(error.file).toBe(DIR);
  expect(error.cause).toBeInstanceOf(AggregateError);
  expect([log.written, log.synced]).toEqual([6, 3]);

  // The disk is fine again, but it is not asked for 100 ms.
  append(log, range(7, 7));
  const calls: string[] = [];
  disk.fault = (call) => {
    calls.push(call);
    return undefined;
  };
  now += 99;
  expect(refusal(() => log.write()).message).toMatch(/a moment ago: .*ENOSPC/);
  expect(refusal(() => log.sync()).message).toMatch(/a moment ago/);
  expect(calls).toEqual([]);

  now += 1;
  log.sync();
  expect([log.written, log.synced]).toEqual([6, 6]);
  commit(log, 10, 11);
  disk.crash(() => false);
  expect(read(openLog(disk))).toEqual([...range(1, 6), ...range(10, 11)].map(textOf));
});

test('what is owed survives the process although no new segment could be made', () => {
  const disk = new LogDisk();
  const log = openLog(disk);
  commit(log, 1, 3);
  append(log, range(4, 6));
  log.write();
  fail(disk, 'fsync', 'EIO', 2);
  expect(() => log.sync()).toThrow(LogError);
  log.release(5);
  disk.fault = () => undefined;
  disk.kill();
  const again = openLog(disk);
  expect(read(again, 3)).toEqual(range(4, 6).map(textOf));
  // The failed fsync left them in the page cache only: opening the log has put that right.
  disk.crash(() => false);
  expect(read(openLog(disk), 3)).toEqual(range(4, 6).map(textOf));
});

test('what is applied does not have to be written again', () => {
  const disk = new LogDisk();
  let now = 0;
  const log = openLog(disk, { now: () => now });
  commit(log, 1, 3);
  append(log, range(4, 6));
  log.write();
  fail(disk, 'fsync', 'EIO', 2);
  expect(() => log.sync()).toThrow(LogError);
  log.release(6);
  expect(log.synced).toBe(6);
  now += 100;
  log.sync();
  commit(log, 7, 8);
  const again = openLog(disk);
  expect(read(again, 6)).toEqual(range(7, 8).map(textOf));
});

test('a segment that may or may not have got its name is given up, and so is the one before', () => {
  const disk = new LogDisk();
  let now = 0;
  const log = openLog(disk, { now: () => now });
  commit(log, 1, 3);
  append(log, range(4, 4, { length: 20_000 }));
  disk.fault = (call, path) => (call === 'unlink' || (call === 'fsync' && path === DIR) ? 'EIO' : undefined);
  expect(() => log.write()).toThrow(LogError);
  disk.fault = () => undefined;
  now += 100;
  commit(log, 5, 6);
  disk.crash(() => true);
  expect(read(openLog(disk))).toEqual([...range(1, 3), ...range(5, 6)].map(textOf));
});

test('a segment that cannot be deleted is deleted by a later release; destroy says if one is left', () => {
  const disk = new LogDisk();
  const log = openLog(disk, { segmentBytes: 8192 });
  append(log, range(1, 1, { length: 4000 }));
  log.write();
  append(log, range(2, 2, { length: 4000 }));
  log.write();
  fail(disk, 'unlink', 'EACCES');
  log.release(1);
  expect(disk.paths()).toHaveLength(2);
  log.release(1);
  expect(disk.paths()).toHaveLength(1);
  fail(disk, 'unlink', 'EACCES');
  expect(refusal(() => log.destroy()).message).toMatch('cannot be deleted');
  log.destroy();
  expect(disk.paths()).toEqual([]);
});

test('a deletion that an earlier run did not sync is synced before a newer segment is deleted', () => {
  const disk = new LogDisk();
  let log = openLog(disk, { segmentBytes: 8192 });
  for (let position = 1; position <= 3; position++) {
    append(log, range(position, position, { length: 4000 }));
    log.write();
  }
  expect(disk.paths()).toHaveLength(3);
  log.release(1);
  log.close();
  log = openLog(disk, { segmentBytes: 8192 });
  log.release(2);
  log.close();
  // Of two deletions, power loss undoes the first one that was not synced.
  let unsynced = 0;
  disk.crash(() => unsynced++ > 0);
  log = openLog(disk);
  expect(read(log, 2)).toEqual(range(3, 3, { length: 4000 }).map(textOf));
});

test('a log that cannot be read is an error with the file', () => {
  const disk = new LogDisk();
  commit(openLog(disk), 1, 3);
  fail(disk, 'read');
  expect(refusal(() => openLog(disk)).file).toBe(disk.paths()[0]);
});

test.skipIf(process.platform === 'win32')(
  'a real limit on the size of files is an error, and what was acknowledged is there',
  () => {
    const dir = mkdtempSync(join(tmpdir(), 'zmsg-log-'));
    try {
      const script = `
      import { ShardLog } from ${JSON.stringify(new URL('../dist/log/shard-log.js', import.meta.url).href)};
      const log = ShardLog.open({ dir: ${JSON.stringify(dir)}, logId: '${LOG_ID}', shard: 3, run: 1, segmentBytes: 65536 });
      const bytes = Buffer.alloc(40, 1);
      bytes.writeInt32LE(40);
      for (let position = 1; position <= 9; position++) {
        const length = position === 9 ? 400_000 : 40;
        const record = Buffer.alloc(length, 1);
        record.writeInt32LE(length);
        log.append({ producer: 1, position, ringAt: 0, taken: 0, bytes: record, start: 0, end: length });
        try { log.write(); log.sync(); } catch (error) { console.log(error.code, error.cause.code); }
      }
      console.log(log.synced);`;
      // 200 blocks of 1,024 bytes; with the signal ignored, the write fails.
      const shell = `trap '' XFSZ; ulimit -f 200; exec "$0" --input-type=module -e "$1"`;
      const out = execFileSync('bash', ['-c', shell, process.execPath, script], { encoding: 'utf8' });
      expect(out).toBe('LOG EFBIG\n8\n');
      const log = openLog(new LogDisk(), { dir, files: undefined });
      expect(log.end).toBe(8);
      log.destroy();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
