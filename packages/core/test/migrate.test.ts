import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { createLogger } from '../dist/log.js';
import { engineMigrations } from '../dist/migrate/engine-migrations.js';
import { Migrations } from '../dist/migrate/migrations.js';
import { type Embedded, startEmbedded } from '../dist/store/embedded.js';
import { Store } from '../dist/store/store.js';

const root = mkdtempSync(join(tmpdir(), 'zmsg-migrate-'));
let dirs = 0;

/** A new directory with these files. */
function files(contents: Record<string, string | Buffer>): string {
  const dir = join(root, `${dirs++}`);
  mkdirSync(dir);
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return dir;
}

let embedded: Embedded;
beforeAll(async () => {
  const logger = createLogger({ level: 'error', format: 'json' });
  embedded = await startEmbedded({ dataDir: join(root, 'embedded'), logger });
});
afterAll(async () => {
  await embedded.close();
  rmSync(root, { recursive: true, force: true });
});

const stores: Store[] = [];
function open(connectionString: string): Store {
  const store = new Store({
    connectionString,
    maxOpen: 3,
    maxIdle: 2,
    maxLifetimeMs: 60_000,
    connectTimeoutMs: 10_000,
    onIdleError: () => {},
  });
  stores.push(store);
  return store;
}
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

const names = (applied: { name: string }[]) => applied.map(({ name }) => name);
const tables = async (store: Store) =>
  (
    await store.exec<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    )
  ).rows.map(({ name }) => name);

async function emptyEmbedded(): Promise<string> {
  const store = open(embedded.connectionString);
  await store.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  return embedded.connectionString;
}

describe.each([
  ['a PostgreSQL server', () => createDatabase(inject('postgresPort'))],
  ['the embedded PostgreSQL', emptyEmbedded],
])('on %s', (server, newDatabase) => {
  const real = server === 'a PostgreSQL server';

  test('files run in the order of their numbers, each once', async () => {
    const store = open(await newDatabase());
    const dir = files({
      '010_c.sql': 'INSERT INTO a SELECT max(n) + 1 FROM a',
      '2_b.sql': 'INSERT INTO a VALUES (1)',
      '001_a.sql': 'CREATE TABLE a (n int);',
      'README.md': 'not one',
      '.003_hidden.sql': 'SELEC',
      'sub/004_d.sql': 'SELEC',
    });
    const seen: string[] = [];
    const migrations = new Migrations(store, { onApplied: ({ name }) => seen.push(name) }).loadDir(dir);
    const applied = await migrations.migrate();
    expect(names(applied)).toEqual(['001_a.sql', '2_b.sql', '010_c.sql']);
    expect(seen).toEqual(names(applied));
    expect(applied.every(({ durationMs }) => durationMs >= 0)).toBe(true);
    expect((await store.exec('SELECT n FROM a ORDER BY n')).rows).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await migrations.migrate()).toEqual([]);
    writeFileSync(join(dir, '011_d.sql'), 'DROP TABLE a');
    expect(names(await migrations.migrate())).toEqual(['011_d.sql']);
    rmSync(join(dir, '001_a.sql'));
    expect(await migrations.migrate()).toEqual([]);
  });

  test('bodies in dollar quotes, strings and comments with semicolons arrive whole', async () => {
    const store = open(await newDatabase());
    const text = `-- a; b
CREATE FUNCTION f(x int) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
  /* ; */ IF x > 1 THEN RETURN 'a;b'; END IF;
  RETURN $$;$$;
END
$body$;
CREATE TABLE t AS SELECT f(1) AS a, f(2) AS b, ';' AS "c;";`;
    await new Migrations(store).loadSql(text).migrate();
    expect((await store.exec('SELECT * FROM t')).rows).toEqual([{ a: ';', b: 'a;b', 'c;': ';' }]);
  });

  test('a file that fails leaves nothing behind, and those before it stay', async () => {
    const store = open(await newDatabase());
    const dir = files({
      '001_a.sql': 'CREATE TABLE a ()',
      '002_b.sql': '-- é😀\nCREATE TABLE b ();\nSELEC 1;',
      '003_c.sql': 'CREATE TABLE c ()',
    });
    const migrations = new Migrations(store).loadDir(dir);
    await expect(migrations.migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      file: join(dir, '002_b.sql'),
      message: expect.stringMatching(/002_b\.sql:3: syntax error at or near "SELEC"/),
    });
    expect(await tables(store)).toEqual(['a', 'zmsg_migrations']);
    writeFileSync(join(dir, '002_b.sql'), 'CREATE TABLE b ();');
    expect(names(await migrations.migrate())).toEqual(['002_b.sql', '003_c.sql']);
  });

  test('a file that was changed after it was applied is an error, and nothing runs', async () => {
    const store = open(await newDatabase());
    const dir = files({ '001_a.sql': 'CREATE TABLE a ()\n;\n' });
    await new Migrations(store).loadDir(dir).migrate();
    writeFileSync(join(dir, '001_a.sql'), '\uFEFFCREATE TABLE a ()\r\n;\r\n');
    writeFileSync(join(dir, '002_b.sql'), 'CREATE TABLE b ()');
    expect(names(await new Migrations(store).loadDir(dir).migrate())).toEqual(['002_b.sql']);
    writeFileSync(join(dir, '001_a.sql'), 'CREATE TABLE a (n int)');
    writeFileSync(join(dir, '003_c.sql'), 'CREATE TABLE c ()');
    await expect(new Migrations(store).loadDir(dir).migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      file: join(dir, '001_a.sql'),
      message: expect.stringContaining('was changed after it was applied'),
    });
    expect(await tables(store)).toEqual(['a', 'b', 'zmsg_migrations']);
  });

  test('a number below an applied one is an error, and nothing runs', async () => {
    const store = open(await newDatabase());
    const dir = files({ '005_a.sql': 'CREATE TABLE a ()' });
    await new Migrations(store).loadDir(dir).migrate();
    writeFileSync(join(dir, '004_b.sql'), 'CREATE TABLE b ()');
    await expect(new Migrations(store).loadDir(dir).migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      message: expect.stringMatching(/004_b\.sql comes before 005_a\.sql/),
    });
    expect(await tables(store)).toEqual(['a', 'zmsg_migrations']);
  });

  test('scopes number their migrations apart', async () => {
    const store = open(await newDatabase());
    expect(names(await engineMigrations(store).migrate())).toEqual([
      '001_engine.sql',
      '002_dead_letters.sql',
      '003_members.sql',
      '004_id_epoch.sql',
    ]);
    expect(await engineMigrations(store).migrate()).toEqual([]);
    await new Migrations(store).loadSql('CREATE TABLE a ()', '001_engine.sql').migrate();
    expect(await tables(store)).toContain('a');
    expect(await tables(store)).toEqual(expect.arrayContaining(['zmsg_data', 'zmsg_nodes', 'zmsg_progress']));
  });

  test('load and loadSql run after the numbered ones, in the order of the calls, once per name or text', async () => {
    const store = open(await newDatabase());
    const dir = files({
      'z.sql': 'INSERT INTO a VALUES (1)',
      '001_a.sql': 'CREATE TABLE a (n serial, v int)',
    });
    const migrations = () =>
      new Migrations(store)
        .load(join(dir, 'z.sql'))
        .loadSql('INSERT INTO a (v) VALUES (2)', 'seed')
        .loadSql('INSERT INTO a (v) VALUES (3)')
        .load(join(dir, '001_a.sql'));
    expect(names(await migrations().migrate())).toEqual([
      '001_a.sql',
      'z.sql',
      'seed',
      expect.stringMatching(/^sql-/),
    ]);
    expect(await migrations().migrate()).toEqual([]);
    await expect(new Migrations(store).loadSql('SELECT 5', 'seed').migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      file: 'seed',
    });
  });

  test('eight stores that migrate one empty database at once all succeed, and each file runs once', async () => {
    const dsn = await newDatabase();
    const dir = files({
      '001_a.sql': 'CREATE TABLE a (n int); INSERT INTO a VALUES (1)',
      '002_b.sql': '-- zmsg: no-transaction\nINSERT INTO a VALUES (2)',
      '003_c.sql': 'INSERT INTO a SELECT 3 FROM generate_series(1, 1000) HAVING count(*) > 0',
    });
    // The embedded database belongs to one process and is migrated through one store.
    const one = open(dsn);
    const runs = Array.from({ length: 8 }, async () => {
      const store = real ? open(dsn) : one;
      return [
        ...(await engineMigrations(store).migrate()),
        ...(await new Migrations(store).loadDir(dir).migrate()),
      ];
    });
    const applied = (await Promise.all(runs)).flat();
    expect(names(applied).sort()).toEqual([
      '001_a.sql',
      '001_engine.sql',
      '002_b.sql',
      '002_dead_letters.sql',
      '003_c.sql',
      '003_members.sql',
      '004_id_epoch.sql',
    ]);
    expect((await one.exec('SELECT n FROM a ORDER BY n')).rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('a search path that a file sets reaches neither the mark nor later callers', async () => {
    const store = open(await newDatabase());
    await new Migrations(store)
      .loadSql(
        `SELECT pg_catalog.set_config('search_path', '', false); CREATE TABLE public.a ();`,
        '001_a.sql',
      )
      .loadSql('CREATE TABLE b ()', '002_b.sql')
      .migrate();
    expect(await tables(store)).toEqual(['a', 'b', 'zmsg_migrations']);
    expect((await store.exec(`SELECT to_regclass('a') IS NOT NULL AS found`)).rows).toEqual([
      { found: true },
    ]);
  });

  test('a file that ends its own transaction is an error', async () => {
    const store = open(await newDatabase());
    const migrations = new Migrations(store).loadSql(
      'CREATE TABLE a (); COMMIT; CREATE TABLE b ();',
      '001_a.sql',
    );
    await expect(migrations.migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      message: expect.stringContaining('ends the transaction'),
    });
    expect((await store.exec('SELECT * FROM zmsg_migrations')).rows).toEqual([]);
  });

  test('a constraint that fails at COMMIT names the file', async () => {
    const store = open(await newDatabase());
    const text =
      'CREATE TABLE a (n int PRIMARY KEY, m int REFERENCES a DEFERRABLE INITIALLY DEFERRED); INSERT INTO a VALUES (1, 2)';
    await expect(new Migrations(store).loadSql(text, '001_a.sql').migrate()).rejects.toMatchObject({
      code: 'MIGRATION',
      file: '001_a.sql',
      cause: { sqlState: '23503' },
    });
    expect(await tables(store)).toEqual(['zmsg_migrations']);
  });
});

describe('outside of a transaction', () => {
  test('CREATE INDEX CONCURRENTLY runs while other processes wait for their turn', async () => {
    const dsn = await createDatabase(inject('postgresPort'));
    const dir = files({
      '001_a.sql': 'CREATE TABLE a AS SELECT g AS n FROM generate_series(1, 50000) AS g',
      '002_b.sql': '-- zmsg: no-transaction\nCREATE INDEX CONCURRENTLY a_n ON a (n);',
      '003_c.sql': 'CREATE TABLE c ()',
    });
    const runs = Array.from({ length: 6 }, () => new Migrations(open(dsn)).loadDir(dir).migrate());
    expect(names((await Promise.all(runs)).flat()).sort()).toEqual(['001_a.sql', '002_b.sql', '003_c.sql']);
    const valid = await open(dsn).exec(`SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_n'::regclass`);
    expect(valid.rows).toEqual([{ indisvalid: true }]);
  });

  test('what cannot run in a transaction says how it can', async () => {
    const store = open(await createDatabase(inject('postgresPort')));
    await expect(new Migrations(store).loadSql('VACUUM', '001_a.sql').migrate()).rejects.toThrow(
      'begin it with the line "-- zmsg: no-transaction"',
    );
    const two = '-- zmsg: no-transaction\nVACUUM; VACUUM;';
    await expect(new Migrations(store).loadSql(two, '001_a.sql').migrate()).rejects.toThrow(
      'only one such statement',
    );
    const one = '-- zmsg: no-transaction\r\nVACUUM';
    expect(names(await new Migrations(store).loadSql(one, '001_a.sql').migrate())).toEqual(['001_a.sql']);
  });
});

test.each([
  [
    'two files with one number',
    { '001_a.sql': 'SELECT 1', '1_b.sql': 'SELECT 1' },
    /001_a\.sql and .*1_b\.sql have the same number/,
  ],
  ['a misnamed file', { '001_a.sql': 'SELECT 1', 'b.sql': 'SELECT 1' }, /b\.sql is misnamed/],
  ['a number without a name', { '001.sql': 'SELECT 1' }, /001\.sql is misnamed/],
  ['a file that is not UTF-8', { '001_a.sql': Buffer.from([0xff, 0xfe]) }, /001_a\.sql is not UTF-8/],
])('%s is an error, and nothing runs', async (_, contents: Record<string, string | Buffer>, message) => {
  const store = open(await createDatabase(inject('postgresPort')));
  const migrations = new Migrations(store).loadSql('CREATE TABLE x ()', '000_x.sql').loadDir(files(contents));
  await expect(migrations.migrate()).rejects.toMatchObject({
    code: 'MIGRATION',
    message: expect.stringMatching(message),
  });
  expect(await tables(store)).toEqual([]);
});

test('a file or directory that is not there is an error that names it', async () => {
  const store = open(await createDatabase(inject('postgresPort')));
  const missing = join(root, 'missing');
  for (const migrations of [new Migrations(store).load(missing), new Migrations(store).loadDir(missing)]) {
    await expect(migrations.migrate()).rejects.toMatchObject({ code: 'MIGRATION', file: missing });
  }
});

test('an abort while another process holds the lock rejects, and leaves the store usable', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const holder = new pg.Client({ connectionString: dsn });
  await holder.connect();
  await holder.query(`SELECT pg_advisory_lock(${0x7a6d7367}, 1)`);
  const store = open(dsn);
  const controller = new AbortController();
  const run = new Migrations(store).loadSql('CREATE TABLE a ()').migrate({ signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(run).rejects.toThrow('enough');
  await expect(
    new Migrations(store).migrate({ signal: AbortSignal.abort(new Error('before')) }),
  ).rejects.toThrow('before');
  await holder.end();
  expect(await new Migrations(store).loadSql('CREATE TABLE b ()', 'b').migrate()).toHaveLength(1);
  expect(await tables(store)).toEqual(['b', 'zmsg_migrations']);
});

test('a role that may not create tables is fine when there is nothing to apply', async () => {
  const dsn = await createDatabase(inject('postgresPort'));
  const owner = open(dsn);
  await engineMigrations(owner).migrate();
  const role = `reader_${process.pid}`;
  await owner.exec(`CREATE ROLE ${role} LOGIN; GRANT SELECT ON zmsg_migrations TO ${role}`);
  const url = new URL(dsn);
  url.username = role;
  const reader = open(url.href);
  expect(await engineMigrations(reader).migrate()).toEqual([]);
  await reader.close();
  stores.splice(stores.indexOf(reader), 1);
  await owner.exec(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test('a server that cannot be reached is a StoreError', async () => {
  const store = open('postgresql://u:p@127.0.0.1:1/d');
  await expect(engineMigrations(store).migrate()).rejects.toMatchObject({ code: 'STORE' });
});
