import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { counter, slice, sql, ZMsg } from '../dist/index.js';
import { Store } from '../dist/store/store.js';
import { PendingChanges } from '../dist/verify/pending-changes.js';
import { verifyLedger } from '../dist/verify/verify-ledger.js';
import { like, likes, VerifiedNode } from './verify-fixture.js';

const all = (count: number) => ({ submit: likes(count) });

test('a count that is lost and one that is double are named, pending or applied', async () => {
  const node = await VerifiedNode.create();
  await node.crash(all(100), { flush: true }, all(50));
  for (let i = 0; i < 10; i++) await node.acknowledge(`p${i}`, 15);
  await node.acknowledge('never', 4, 9);
  await node.psql(
    `UPDATE posts SET likes = likes - 2 WHERE id = 'p3'; UPDATE posts SET likes = likes + 5 WHERE id = 'p7'`,
  );
  const expected = (pending: string, value: (n: number) => string) => ({
    isOk: false,
    problems: [],
    ledger: {
      rows: 11,
      balanced: 8,
      missing: 2,
      double: 1,
      findings: expect.arrayContaining([
        expect.objectContaining({ kind: 'missing', key: 'p3', amount: '2', value: value(-2), pending }),
        expect.objectContaining({ kind: 'double', key: 'p7', amount: '5', value: value(5), pending }),
        expect.objectContaining({ kind: 'missing', key: 'never', amount: '4', value: '0', attempted: '9' }),
      ]),
    },
  });
  expect(await node.verify('ledger')).toMatchObject(expected('5', (n) => String(10 + n)));
  await node.recover();
  expect(await node.verify('ledger')).toMatchObject(expected('0', (n) => String(15 + n)));
});

test('what else than additions is pending for a row makes it not comparable yet', async () => {
  const node = await VerifiedNode.create();
  const tasks = [
    ...likes(10),
    counter('posts', 'likes').set(100).where('id = ?', 'p1').build(),
    counter('posts', 'likes').mul(2).where('id = ?', 'p2').build(),
    counter('posts', 'likes').clean().where('"posts".id = ?', 'p3').build(),
    counter('public.posts', 'likes').dec('4').where('? = id', 'p4').build(),
    counter('posts', 'likes').inc(5).where('id = ?', 'p10').orInsert({ id: 'p10' }).build(),
    counter('posts', 'likes').inc(5).where('id = ?', 'p11').orInsert({ id: 'p11', likes: 50 }).build(),
    counter('posts', 'views').inc(5).where('id = ?', 'p12').orInsert({ id: 'p12', likes: 50 }).build(),
    counter('posts', 'views').inc(99).where('id = ?', 'p5').build(),
    counter('nothing', 'likes').inc(99).where('id = ?', 'p5').build(),
    slice('posts', 'tags').add('x').where('id = ?', 'p6').build(),
  ];
  await node.crash({ submit: tasks });
  for (const [i, n] of [1, 101, 2, 0, -3, 1, 1, 1, 1, 1, 5, 55, 50].entries())
    await node.acknowledge(`p${i}`, n);
  const { isOk, ledger } = await node.verify('ledger');
  expect(ledger).toMatchObject({ rows: 13, balanced: 8, missing: 0, double: 0, uncertain: 5 });
  expect(isOk).toBe(true);
  expect(ledger?.findings.map(({ key }) => key).sort()).toEqual(['p1', 'p11', 'p12', 'p2', 'p3']);
});

test('what may change any row makes only those not comparable that do not balance', async () => {
  const node = await VerifiedNode.create();
  await node.crash({ submit: [like('p1'), counter('posts', 'likes').inc(5).where('likes < ?', 3).build()] });
  await node.acknowledge('p1', 1);
  await node.acknowledge('p2', 1);
  await node.psql(`INSERT INTO ledger VALUES ('users', 'followers', 'id', '7', 1, 1)`);
  expect((await node.verify('ledger')).ledger).toMatchObject({
    balanced: 1,
    missing: 1,
    uncertain: 1,
    findings: [
      { kind: 'uncertain', key: 'p2', reason: expect.stringContaining('1 too few') },
      { kind: 'missing', table: 'users', key: '7' },
    ],
  });
  await node.recover();
  expect((await node.verify('ledger')).ledger).toMatchObject({
    balanced: 0,
    double: 2,
    missing: 1,
    uncertain: 0,
  });

  await node.crash({ submit: [sql('UPDATE users SET followers = 1 WHERE id = ?', 7).build()] });
  expect((await node.verify('ledger')).ledger).toMatchObject({ double: 2, missing: 0, uncertain: 1 });
});

test('dead letters count as acknowledged, until someone discards them', async () => {
  const node = await VerifiedNode.create();
  await node.psql('ALTER TABLE posts ADD CONSTRAINT few CHECK (likes < 10)');
  const dead = [
    like('p1', 20),
    counter('posts', 'likes').set(50).where('id = ?', 'p2').build(),
    like('p3', 3),
  ];
  await node.crash({ submit: dead }, { flush: true }, { submit: [like('p1', 2)] });
  for (const [key, n] of [
    ['p1', 22],
    ['p2', 50],
    ['p3', 3],
  ] as const)
    await node.acknowledge(key, n);
  const found = await node.verify('ledger');
  expect(found).toMatchObject({
    isOk: true,
    deadLetters: 2,
    log: { pending: 1 },
    ledger: { balanced: 2, uncertain: 1, findings: [{ kind: 'uncertain', key: 'p2' }] },
  });
  await node.psql('DELETE FROM zmsg_dead_letters');
  expect(await node.verify('ledger')).toMatchObject({
    isOk: false,
    ledger: {
      missing: 2,
      findings: expect.arrayContaining([
        expect.objectContaining({ key: 'p1', amount: '20', value: '0', pending: '2', deadLetters: '0' }),
      ]),
    },
  });
});

test('keys are found however they are written, and amounts of any size are exact', async () => {
  const node = await VerifiedNode.create();
  const big = '900719925474099312345678';
  const users = (id: unknown, n: number) => counter('users', 'followers').inc(n).where('id = ?', id).build();
  const score = (n: string) => counter('posts', 'score').inc(n).where('id = ?', `it's "p"`).build();
  await node.psql(`INSERT INTO posts (id) VALUES ('it''s "p"')`);
  await node.crash({
    submit: [users(7, 1), users('7', 2), users(7n, 4), users(' +7 ', 8), score(big), score('0.25')],
  });
  await node.psql(
    `INSERT INTO ledger VALUES ('users', 'followers', 'id', '7', 15), ('users', 'followers', 'id', 'x7', 15),
      ('posts', 'score', 'id', 'it''s "p"', ${big}.25), ('posts', 'score', 'id', 'p1', 0)`,
  );
  expect((await node.verify('ledger')).ledger).toMatchObject({
    balanced: 3,
    findings: [{ kind: 'invalid', key: 'x7', reason: 'the key is no int8' }],
  });
  await node.psql(
    `DELETE FROM ledger WHERE key = 'x7'; UPDATE ledger SET acknowledged = acknowledged + 1, attempted = acknowledged + 0.001`,
  );
  const { ledger } = await node.verify('ledger');
  expect(ledger).toMatchObject({ missing: 3, balanced: 0 });
  expect(ledger?.findings.map(({ amount }) => Number(amount))).toEqual([1, 1, 1]);
});

test('hostile names and keys in a ledger do no harm and are not passed over', async () => {
  const node = await VerifiedNode.create();
  const rows = [
    ['posts"; DROP TABLE posts; --', 'likes', 'id', 'p1'],
    ['posts', 'likes) FROM posts; DROP TABLE posts; --', 'id', 'p1'],
    ['posts', 'likes', 'id" = t."id" OR "id', 'p1'],
    ['posts', 'likes', 'id', `p1'; DROP TABLE posts; --`],
    ['no_table', 'likes', 'id', 'p1'],
    ['posts', 'no_column', 'id', 'p1'],
    ['posts', 'likes', 'no_key', 'p1'],
    ['posts', 'likes', 'score', '1'],
    ['posts', 'id', 'id', 'p1'],
    ['a.b.c', 'likes', 'id', 'p1'],
    ['', '', '', ''],
    ['pg_catalog.pg_class', 'relpages', 'relname', 'posts'],
  ];
  for (const row of rows) await node.psql('INSERT INTO ledger VALUES ($1, $2, $3, $4, 0)', row);
  await node.psql(`INSERT INTO zmsg_dead_letters (kind, table_name, column_name, operations, task, error, log_id, shard, position)
    SELECT 'counter', t, 'likes', 1, '{"change":"+ 1\\u0000"}', '', gen_random_uuid(), 0, 1
      FROM unnest(ARRAY['x"; DROP TABLE posts; --', 'a.b.c.d', '']) t`);
  const { isOk, ledger } = await node.verify('ledger');
  expect(isOk).toBe(false);
  expect(ledger).toMatchObject({ rows: 12, balanced: 1, invalid: 11 });
  const reasons = ledger?.findings.map(({ reason }) => reason).join('\n');
  for (const part of [
    'no table name',
    'no column name',
    'no key column name',
    'there is no column posts.no_column',
  ]) {
    expect(reasons).toContain(part);
  }
  expect(await node.psql('SELECT count(*)::int AS n FROM posts')).toEqual([{ n: 10 }]);
  await node.psql(`CREATE FUNCTION evil() RETURNS text LANGUAGE sql AS $$ DELETE FROM posts RETURNING 'posts' $$;
    CREATE VIEW evil_ledger AS
      SELECT evil() AS table_name, 'likes' AS column_name, 'id' AS key_column, 'p1' AS key, 0 AS acknowledged, 0 AS attempted`);
  await expect(node.verify('evil_ledger')).rejects.toMatchObject({ code: 'STORE', sqlState: '25006' });
  expect(await node.psql('SELECT count(*)::int AS n FROM posts')).toEqual([{ n: 10 }]);
  for (const name of ['ledger"; DROP TABLE posts; --', 'ledger; SELECT 1', '']) {
    await expect(node.verify(name)).rejects.toMatchObject({ code: 'INVALID_TASK' });
  }
  await expect(node.verify('no_ledger')).rejects.toMatchObject({
    code: 'STORE',
    message: /the ledger no_ledger/,
  });
});

test('a key that several rows have cannot be compared, and a row that is not there counts as 0', async () => {
  const node = await VerifiedNode.create();
  await node.psql(`CREATE TABLE loose (id text, n int); INSERT INTO loose VALUES ('a', 1), ('a', 2), ('b', NULL);
    INSERT INTO ledger VALUES ('loose', 'n', 'id', 'a', 3), ('loose', 'n', 'id', 'b', 0), ('loose', 'n', 'id', 'c', 0)`);
  expect((await node.verify('ledger')).ledger).toMatchObject({
    balanced: 2,
    findings: [{ kind: 'invalid', key: 'a', reason: '2 rows have this key' }],
  });
});

test('100,000 rows of a ledger are compared in a few queries', async () => {
  const node = await VerifiedNode.create();
  await node.psql(`CREATE TABLE many (id bigint PRIMARY KEY, n bigint, m bigint);
    INSERT INTO many SELECT i, i, 1 FROM generate_series(1, 50000) i; ANALYZE many;
    INSERT INTO ledger SELECT 'many', c, 'id', i::text, CASE c WHEN 'n' THEN i ELSE 1 END
      FROM generate_series(1, 50000) i, unnest(ARRAY['n', 'm']) c;
    UPDATE many SET m = 0 WHERE id > 48000`);
  const store = new Store({
    connectionString: node.dsn,
    maxOpen: 1,
    maxIdle: 1,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 10_000,
    onIdleError: () => {},
  });
  onTestFinished(() => store.close());
  const found = await store.transaction((session) =>
    verifyLedger('ledger', new PendingChanges(), session, { hasDeadLetters: true }),
  );
  expect(found).toMatchObject({ rows: 100_000, balanced: 98_000, missing: 2000 });
  expect(found.findings).toHaveLength(1000);
  // Ten pages and an empty one, as many comparisons, the dead letters, the catalog twice, the cursor.
  expect(store.statements).toBeLessThan(40);
});

test('the ledger of the documentation is one that can be filled and verified', async () => {
  const page = readFileSync(new URL('../../../docs/verify.md', import.meta.url), 'utf8');
  const block = (language: string) => page.split(`\n\`\`\`${language}\n`)[1]?.split('\n```')[0] ?? '';
  const node = await VerifiedNode.create();
  await node.psql(block('sql'));
  const { dsn, dataDir } = node;
  const zm = await ZMsg.open({ postgresDsn: dsn, dataDir, batchShards: 2, logLevel: 'error' });
  onTestFinished(() => zm.close());
  const likeMany = new Function('zm', 'sql', 'counter', `${block('js')}; return likeMany`)(zm, sql, counter);
  await likeMany('p1', 3);
  await likeMany('p2', 1);
  await likeMany('p1', 2);
  expect(await node.psql('SELECT key, acknowledged, attempted FROM zm_ledger ORDER BY key')).toEqual([
    { key: 'p1', acknowledged: '5', attempted: '5' },
    { key: 'p2', acknowledged: '1', attempted: '1' },
  ]);
  expect(await node.verify('zm_ledger')).toMatchObject({ isOk: true, ledger: { balanced: 2 } });
  await node.psql(`UPDATE zm_ledger SET acknowledged = 6, attempted = 6 WHERE key = 'p1'`);
  expect(await node.verify('zm_ledger')).toMatchObject({ isOk: false, ledger: { missing: 1 } });
});
