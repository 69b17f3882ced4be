import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql, ZMsg } from '@zmsg/core';
import { expect, onTestFinished, test } from 'vitest';
import { freshDir } from '../../core/test/open-engine.js';
import { like, likes, VerifiedNode } from '../../core/test/verify-fixture.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

function run(env: NodeJS.ProcessEnv, ...args: string[]) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { PATH: process.env.PATH, ...env }, timeout: 50_000 };
    execFile(process.execPath, [cli, 'verify', ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

test('pending operations are told and are not wrong, by flags, environment or configuration', async () => {
  const node = await VerifiedNode.create();
  await node.crash({ submit: likes(20) }, { flush: true }, { submit: [like('p1', 3)] });
  await node.acknowledge('p1', 5);
  const args = [node.dataDir, '--ledger', 'ledger'];
  const found = await run({ ZMSG_POSTGRES_DSN: node.dsn }, ...args);
  expect(found).toMatchObject({ code: 0, stderr: '' });
  expect(found.stdout).toContain(`directory  ${node.dataDir} (no process uses it)\n`);
  expect(found.stdout).toMatch(/shard +log reaches to +applied up to +epoch +pending\n/);
  expect(found.stdout).toContain('pending    1 operation in the log, not yet in PostgreSQL\n');
  expect(found.stdout).toContain('ledger     ledger, 1 row: 1 balanced, 0 missing, 0 double\n');
  expect(found.stdout).toMatch(/\nNothing is missing, double or damaged\.\n$/);

  const config = join(node.dataDir, 'zmsg.yaml');
  writeFileSync(config, `data_dir: ${node.dataDir}\npostgres_dsn: ${node.dsn}\n`);
  const json = [
    await run({ ZMSG_POSTGRES_DSN: 'postgresql://127.0.0.1:1/x' }, ...args, '--postgres', node.dsn, '--json'),
    await run({}, '--config', config, '--ledger', 'ledger', '--json'),
  ];
  for (const { code, stdout } of json) {
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ isOk: true, log: { pending: 1 }, ledger: { balanced: 1 } });
  }
  expect(json.map(({ stdout }) => stdout).join()).not.toContain('secret');
});

test('what is missing, double or not comparable is named, with exit code 1', async () => {
  const node = await VerifiedNode.create();
  await node.crash({ submit: likes(50) });
  for (let i = 0; i < 10; i++) await node.acknowledge(`p${i}`, i === 9 ? 4 : 5);
  await node.acknowledge('gone\u001b[31m\u009b', 2);
  await node.psql(`INSERT INTO ledger VALUES ('posts"', 'likes', 'id', 'p1', 1);
    INSERT INTO zmsg_progress VALUES (gen_random_uuid(), 0, 1, 1, now() - interval '3 days')`);
  const args = [node.dataDir, '--postgres', node.dsn, '--ledger', 'ledger'];
  const { code, stdout, stderr } = await run({}, ...args);
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
  expect(stdout).toContain('ledger     ledger, 12 rows: 9 balanced, 1 missing, 1 double, 1 not comparable\n');
  expect(stdout).toContain(
    'DOUBLE  1 of posts.likes where id = "p9": attempted 4, in PostgreSQL 0, in the log 5, dead letters 0\n',
  );
  expect(stdout).toMatch(
    /\nMISSING {2}2 of posts\.likes where id = "gone.*": acknowledged 2, in PostgreSQL 0/,
  );
  expect(stdout).toMatch(/\nNOT COMPARABLE {2}posts"\.likes where id = "p1": "posts\\"" is no table name/);
  expect(stdout).toContain('1 log of other nodes, or forgotten');
  expect(stdout).toMatch(/, 1 shard, 3 days ago\n/);
  expect(stdout).toContain('may be pending in the log of another node');
  expect(stdout).toMatch(/\nWRONG: 1 row lacks counts, 1 row has too many, 1 row cannot be compared\.\n$/);
  const json = await run({}, ...args, '--json');
  expect(json.code).toBe(1);
  for (const text of [stdout, json.stdout]) {
    expect(text).not.toContain('\u001b');
    expect(text).not.toContain('\u009b');
  }
  expect(JSON.parse(json.stdout).ledger.findings).toHaveLength(3);
});

test('damage is named, with exit code 1', async () => {
  const node = await VerifiedNode.create();
  await node.crash({ submit: likes(400) }, { submit: likes(400) });
  const [first = ''] = node.segments();
  const bytes = readFileSync(first);
  bytes.fill(0x55, 4200, 4300);
  writeFileSync(first, bytes);
  const { code, stdout } = await run({}, node.dataDir, '--postgres', node.dsn);
  expect(code).toBe(1);
  expect(stdout).toContain(`\nDAMAGE  shard 0: ${first} at 4096: `);
  expect(stdout).toMatch(/\nWRONG: 1 problem of the log\.\n$/);
});

test('a running node on the embedded PostgreSQL is one clear line, and so are other mistakes', async () => {
  const dataDir = freshDir();
  const zm = await ZMsg.open({ dataDir, logLevel: 'error', batchShards: 2 });
  onTestFinished(() => zm.close());
  await zm.query(sql('SELECT 1'));
  const dsn = 'postgresql://u:geheim@127.0.0.1:1/d';
  for (const [args, message] of [
    [[dataDir], /only one process can: stop it, then verify/],
    [[join(dataDir, 'nowhere')], /there is no data_dir .*nowhere/],
    [[dataDir, '--postgres', dsn], /ECONNREFUSED/],
    [[dataDir, '--postgres', dsn, '--ledger', 'a"b'], /is no table name/],
    [[dataDir, '--postgres', dsn, '--config', 'x'], /cannot be used with/],
  ] as const) {
    const { code, stdout, stderr } = await run({}, ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toContain('geheim');
  }
});
