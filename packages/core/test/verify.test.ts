import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { verifyNode } from '../dist/verify/index.js';
import { freshDir, statements } from './open-engine.js';
import { like, likes, VerifiedNode } from './verify-fixture.js';

const all = (count: number) => ({ submit: likes(count) });

/** Files of a directory with their content and the time of their last change. */
function imageOf(dir: string): Record<string, string> {
  const names = (readdirSync(dir, { recursive: true }) as string[]).sort();
  return Object.fromEntries(
    names.map((name) => {
      const file = join(dir, name);
      const stat = statSync(file);
      return [name, stat.isFile() ? `${stat.mtimeMs} ${readFileSync(file, 'latin1')}` : 'directory'];
    }),
  );
}

test('a node that was closed in order has nothing pending, and no log', async () => {
  const node = await VerifiedNode.create();
  await node.crash(all(20));
  await node.recover();
  for (let i = 0; i < 10; i++) await node.acknowledge(`p${i}`, 2);
  const found = await node.verify('ledger');
  expect(found).toMatchObject({
    isOk: true,
    runningPid: undefined,
    log: undefined,
    problems: [],
    otherLogCount: 0,
    deadLetters: 0,
    delayedWrites: 0,
    ledger: { rows: 10, balanced: 10, findings: [] },
  });
  expect(Math.abs(found.takenAtMs - Date.now())).toBeLessThan(600_000);
});

test('what a killed node left in its log is pending, not wrong, and nothing is changed by looking', async () => {
  const node = await VerifiedNode.create();
  await node.crash(all(30), { flush: true }, all(500), { submit: [like('p0', 7)] });
  await node.acknowledge('p0', 3 + 50 + 7);
  for (let i = 1; i < 10; i++) await node.acknowledge(`p${i}`, 53, 54);
  const marks = () => node.psql('SELECT * FROM zmsg_progress ORDER BY shard');
  const [before, marksBefore] = [imageOf(node.dataDir), await marks()];
  const found = await node.verify('ledger');
  expect(found).toMatchObject({
    isOk: true,
    problems: [],
    log: { pending: 501 },
    ledger: { rows: 10, balanced: 10, missing: 0, double: 0, uncertain: 0, invalid: 0 },
  });
  expect(found.log?.shards.map(({ epoch }) => epoch)).toEqual([1, 1]);
  const applied = found.log?.shards.reduce((sum, { mark }) => sum + (mark ?? 0), 0);
  const reached = found.log?.shards.reduce((sum, { end }) => sum + end, 0);
  expect([applied, reached]).toEqual([30, 531]);
  expect(imageOf(node.dataDir)).toEqual(before);
  expect(await marks()).toEqual(marksBefore);

  await node.recover();
  expect(await node.verify('ledger')).toMatchObject({ isOk: true, log: undefined, ledger: { balanced: 10 } });
});

test('a mark that is set back inside the log would count twice, and the ledger shows it', async () => {
  const node = await VerifiedNode.create();
  await node.crash(
    { submit: Array.from({ length: 10 }, () => like('p0')) },
    { flush: true },
    { submit: [like('p0')] },
  );
  await node.acknowledge('p0', 11);
  expect(await node.verify('ledger')).toMatchObject({ isOk: true, log: { pending: 1 } });
  await node.psql('UPDATE zmsg_progress SET position = 4 WHERE position = 10');
  expect(await node.verify('ledger')).toMatchObject({
    isOk: false,
    problems: [],
    log: { pending: 7 },
    ledger: { double: 1, findings: [{ kind: 'double', key: 'p0', amount: '6' }] },
  });
});

test('a mark that is set back before the begin of the log is a gap', async () => {
  const node = await VerifiedNode.create();
  const one = { submit: Array.from({ length: 300 }, () => like('p0')) };
  const steps = Array.from({ length: 4 }, () => [one, { flush: true }]).flat();
  await node.crash(...steps, { submit: [like('p0')] });
  const { log } = await node.verify();
  const shard = log?.shards.find(({ mark }) => mark === 1200);
  expect(shard).toMatchObject({ mark: 1200, pending: 1 });
  await node.psql('UPDATE zmsg_progress SET position = 2 WHERE position = 1200');
  const { isOk, problems } = await node.verify();
  expect(isOk).toBe(false);
  expect(problems).toEqual([
    {
      kind: 'gap',
      shard: shard?.shard,
      message: expect.stringMatching(
        /^operations 3 to \d+ are neither in PostgreSQL nor in the log: .*\.seg begins/,
      ),
    },
  ]);
});

test('a damaged segment is named with its place, and what lies behind it is missing', async () => {
  const node = await VerifiedNode.create();
  const step = { submit: Array.from({ length: 200 }, () => like('p0')) };
  await node.crash(...Array.from({ length: 5 }, () => step));
  await node.acknowledge('p0', 1000);
  expect(await node.verify('ledger')).toMatchObject({ isOk: true, log: { pending: 1000 } });
  const [, second = ''] = node.segments();
  const bytes = readFileSync(second);
  bytes.fill(0x55, 4096 + 100, 4096 + 200);
  writeFileSync(second, bytes);
  const { isOk, problems, log, ledger } = await node.verify('ledger');
  expect(isOk).toBe(false);
  expect(problems).toMatchObject([
    { kind: 'damage', message: expect.stringContaining(`${second} at 4096: `) },
  ]);
  expect(log?.pending).toBeLessThan(1000);
  expect(ledger?.findings).toMatchObject([
    { kind: 'missing', key: 'p0', amount: String(1000 - (log?.pending ?? 0)) },
  ]);

  writeFileSync(join(node.walDir, 'log.json'), '{');
  expect(await node.verify()).toMatchObject({
    isOk: false,
    log: undefined,
    problems: [{ kind: 'damage', shard: undefined, message: expect.stringContaining('is not JSON') }],
  });
});

test('a database without the marks of this log is another one; a single mark can be missing, too', async () => {
  const node = await VerifiedNode.create();
  await node.crash(all(40));
  await node.psql('DELETE FROM zmsg_progress WHERE shard = 1');
  const [problem, ...others] = (await node.verify()).problems;
  expect(problem).toMatchObject({ kind: 'mark missing', shard: 1 });
  expect(others).toEqual([]);

  const empty = await createDatabase(inject('postgresPort'));
  for (const dsn of [node.dsn, empty]) {
    await node.psql('DELETE FROM zmsg_progress');
    const found = await verifyNode({ dataDir: node.dataDir, config: { postgresDsn: dsn }, env: {} });
    expect(found).toMatchObject({
      isOk: false,
      problems: [{ kind: 'other database', shard: undefined }],
      log: { pending: 40 },
    });
    expect(found.log?.shards[0]).toMatchObject({ mark: undefined, epoch: undefined });
    expect(found.deadLetters).toBe(dsn === empty ? undefined : 0);
  }
  // Without operations the next start just begins a new log.
  for (const file of node.segments()) rmSync(file);
  expect(await node.verify()).toMatchObject({ isOk: true, problems: [], log: { pending: 0 } });
});

test('logs of other directories are listed with their age, and are not faults', async () => {
  const node = await VerifiedNode.create();
  await node.crash(all(1));
  await node.psql(`INSERT INTO zmsg_progress SELECT gen_random_uuid(), 0, 1, 5, now() - n * interval '1 hour'
    FROM generate_series(1, 120) n`);
  await node.psql(`INSERT INTO zmsg_progress
    SELECT '11111111-2222-3333-4444-555555555555', n, 1, 5, now() - interval '10 min' FROM generate_series(0, 15) n`);
  await node.psql('INSERT INTO zmsg_operations SELECT gen_random_uuid() FROM generate_series(1, 3)');
  const found = await node.verify();
  expect(found).toMatchObject({ isOk: true, otherLogCount: 121, delayedWrites: 3 });
  expect(found.otherLogs).toHaveLength(100);
  expect(found.otherLogs[0]).toMatchObject({ logId: '11111111-2222-3333-4444-555555555555', shards: 16 });
  expect(Math.round((found.otherLogs[0]?.ageMs ?? 0) / 60_000)).toBe(10);
});

test('a directory that is not there is an error, and is not made', async () => {
  const dataDir = join(freshDir(), 'nowhere');
  const dsn = await createDatabase(inject('postgresPort'));
  await expect(verifyNode({ dataDir, config: { postgresDsn: dsn }, env: {} })).rejects.toMatchObject({
    code: 'CONFIG',
    key: 'data_dir',
  });
  expect(existsSync(dataDir)).toBe(false);
  expect(await statements(dsn)(`SELECT to_regclass('zmsg_progress') AS t`)).toEqual([{ t: null }]);
});
