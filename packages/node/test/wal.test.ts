import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDir } from '../../core/dist/store/data-dir.js';
import { createLayout, shardDir } from '../../workers/dist/log/layout.js';
import { ShardLog } from '../../workers/dist/log/shard-log.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
let dataDir: string;
let segments: string[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'zmsg-node-wal-'));
  const walDir = join(dataDir, 'wal');
  const { logId } = createLayout(walDir, { logId: randomUUID(), shards: 2 });
  const dir = shardDir(walDir, 1);
  const log = ShardLog.open({ dir, logId, shard: 1, run: 4, segmentBytes: 8192 });
  const bytes = Buffer.alloc(300, 1);
  bytes.writeInt32LE(300);
  for (let position = 1; position <= 30; position++) {
    log.append({ producer: 1, position, ringAt: 0, taken: 0, bytes, start: 0, end: 300 });
    if (position % 5 === 0) log.write();
  }
  log.close();
  segments = readdirSync(dir).map((name) => join(dir, name));
});

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function run(...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH }, timeout: 50_000 };
    execFile(process.execPath, [cli, 'wal', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

function damage(file: string, offset: number): void {
  const bytes = readFileSync(file);
  bytes.fill(0x55, offset, offset + 50);
  writeFileSync(file, bytes);
}

test('list shows every segment, by directory or by configuration', async () => {
  const { code, stdout } = await run('list', dataDir);
  expect(code).toBe(0);
  expect(stdout).toMatch(/log [0-9a-f-]{36}, 2 shards/);
  const lines = stdout.split('\n').filter((line) => line.includes('.seg'));
  expect(lines.map((line) => line.split(/ +/)[0])).toEqual(segments);
  expect(lines[0]).toMatch(/ 1 +4 +8192 +1 +10 +10 +ok$/);
  const config = join(dataDir, 'zmsg.yaml');
  writeFileSync(config, `data_dir: ${dataDir}\n`);
  expect((await run('list', '--config', config)).stdout).toBe(stdout);
  const json = JSON.parse((await run('list', dataDir, '--json')).stdout);
  expect(json.shards[1].segments[2]).toMatchObject({ first: 21, last: 30, state: 'ok' });
});

test('check says what is damaged with exit code 1, and cut ends the log before it', async () => {
  expect(await run('check', dataDir)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching('30 operations in 3 segments: nothing is damaged'),
  });
  const [, second = ''] = segments;
  damage(second, 4096 + 200);
  const broken = await run('check', dataDir);
  expect(broken.code).toBe(1);
  expect(broken.stdout).toMatch(`corrupt  ${second} at 4096: the first frame is not readable`);
  expect(JSON.parse((await run('check', dataDir, '--json')).stdout).shards[1].end).toBe(10);

  const cut = await run('cut', second, '4096');
  expect(cut).toMatchObject({ code: 0, stderr: '' });
  expect(cut.stdout).toMatch(/moved to .*\.cut\n15 readable operations discarded\n$/s);
  expect((await run('check', dataDir)).code).toBe(0);
});

test('cut is refused while a live process owns the data directory, and for what is no segment', async () => {
  const [first = ''] = segments;
  const lock = lockDataDir(dataDir);
  try {
    expect(await run('cut', first, '4096')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching('is in use by process'),
    });
  } finally {
    lock.release();
  }
  expect((await run('cut', join(dataDir, 'wal', 'log.json'), '0')).stderr).toMatch(
    'is not a segment of a log',
  );
  expect((await run('cut', first, 'x')).stderr).toMatch('It is a number of bytes');
  expect(readFileSync(first)).toHaveLength(8192);
});

test('without a log, and with a layout that cannot be read, there is one clear line', async () => {
  const nowhere = join(dataDir, 'nowhere');
  expect(await run('check', nowhere)).toMatchObject({
    code: 1,
    stderr: `zmsg-node: there is no log in ${nowhere}/wal\n`,
  });
  writeFileSync(join(dataDir, 'wal', 'log.json'), '{');
  expect(await run('check', dataDir)).toMatchObject({
    code: 1,
    stdout: expect.stringMatching('is not JSON'),
  });
});
