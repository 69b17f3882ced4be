import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createLogger } from '../dist/log.js';
import { type Embedded, type EmbeddedOptions, startEmbedded } from '../dist/store/embedded.js';

const root = mkdtempSync(join(tmpdir(), 'zmsg-embedded-'));

const lines: string[] = [];
const logger = createLogger({
  level: 'debug',
  format: 'json',
  destination: { write: (line) => void lines.push(line) },
});

/** A database that was created once and is copied for each test that needs one of its own. */
const template = join(root, 'template');
let copies = 0;
function newDataDir(): string {
  const dir = join(root, `copy${copies++}`);
  cpSync(template, dir, { recursive: true });
  return dir;
}

const started: Embedded[] = [];
async function start(options: Partial<EmbeddedOptions> = {}): Promise<Embedded> {
  const embedded = await startEmbedded({ dataDir: newDataDir(), logger, ...options });
  started.push(embedded);
  return embedded;
}

const clients: pg.Client[] = [];
async function client(embedded: Embedded): Promise<pg.Client> {
  const created = new pg.Client({
    connectionString: embedded.connectionString,
    connectionTimeoutMillis: 10_000,
  });
  created.on('error', () => {});
  await created.connect();
  clients.push(created);
  return created;
}

const socketOf = (from: pg.Client) =>
  (from as unknown as { connection: { stream: import('node:net').Socket } }).connection.stream;

/** For the tests that leave it as it was. */
let shared: Embedded;

beforeAll(async () => {
  const embedded = await startEmbedded({ dataDir: template, logger });
  await embedded.close();
  shared = await startEmbedded({ dataDir: newDataDir(), logger });
});
afterAll(async () => {
  await shared.close();
  rmSync(root, { recursive: true, force: true });
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.end()));
  await Promise.all(started.splice(0).map((each) => each.close()));
});

test('24 clients, 16 of them in transactions, get the right answers', async () => {
  const embedded = shared;
  const all = await Promise.all(Array.from({ length: 24 }, () => client(embedded)));
  await all[0]?.query('CREATE TABLE account (id int PRIMARY KEY, amount int NOT NULL)');
  await all[0]?.query('INSERT INTO account SELECT i, 0 FROM generate_series(0, 15) AS i');
  await Promise.all(
    all.map(async (each, index) => {
      for (let round = 0; round < 10; round += 1) {
        if (index >= 16) {
          const text = `${index}/${round}`;
          const { rows } = await each.query('SELECT $1::text AS a, $2::bytea AS b', [
            text,
            Buffer.from(text),
          ]);
          expect(rows).toEqual([{ a: text, b: Buffer.from(text) }]);
          continue;
        }
        await each.query('BEGIN');
        const { rows } = await each.query<{ amount: number }>('SELECT amount FROM account WHERE id = 0');
        await each.query('UPDATE account SET amount = $1 WHERE id = 0', [(rows[0]?.amount ?? 0) + 1]);
        if (round % 5 === 4) {
          await each.query('ROLLBACK');
        } else {
          await each.query('COMMIT');
        }
      }
    }),
  );
  const { rows } = await (await client(embedded)).query('SELECT amount FROM account WHERE id = 0');
  expect(rows).toEqual([{ amount: 16 * 8 }]);
});

test('batches that come in many chunks do not mix', async () => {
  const embedded = shared;
  const all = await Promise.all(Array.from({ length: 6 }, () => client(embedded)));
  await Promise.all(
    all.map(async (each, index) => {
      for (let round = 0; round < 8; round += 1) {
        if (index % 2 === 0) {
          const { rows } = await each.query('SELECT $1::int + $2::int AS sum', [index, round]);
          expect(rows).toEqual([{ sum: index + round }]);
        } else {
          const size = 3_000_000 + index * 1000 + round;
          const { rows } = await each.query('SELECT length($1::text) AS size', ['x'.repeat(size)]);
          expect(rows).toEqual([{ size }]);
        }
      }
    }),
  );
});

test('after an error the next query works, inside and outside of a transaction', async () => {
  const each = await client(shared);
  for (const [text, values, code] of [
    ['SELEC 1', undefined, '42601'],
    ['SELECT 1 / $1::int', [0], '22012'],
    ['SELECT $1::int', ['x'], '22P02'],
    ['SELECT * FROM missing WHERE id = $1', [1], '42P01'],
  ] as const) {
    await expect(each.query(text, values as unknown as unknown[])).rejects.toMatchObject({ code });
    expect((await each.query('SELECT $1::text AS a', ['b'])).rows).toEqual([{ a: 'b' }]);
  }
  await each.query('BEGIN');
  await expect(each.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' });
  await expect(each.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
  await each.query('ROLLBACK');
  expect((await each.query('SELECT 1 AS a')).rows).toEqual([{ a: 1 }]);
});

describe('a client that dies', () => {
  const deaths: [string, (dying: pg.Client) => Promise<unknown>][] = [
    [
      'inside of a transaction',
      async (dying) => {
        await dying.query('BEGIN');
        await dying.query('CREATE TABLE gone ()');
        socketOf(dying).destroy();
      },
    ],
    [
      'by reset inside of a transaction',
      async (dying) => {
        await dying.query('BEGIN');
        await dying.query('CREATE TABLE gone ()');
        socketOf(dying).resetAndDestroy();
      },
    ],
    [
      'inside of a failed transaction',
      async (dying) => {
        await dying.query('BEGIN');
        await dying.query('SELECT 1/0').catch(() => {});
        socketOf(dying).destroy();
      },
    ],
    [
      'while BEGIN is on its way',
      async (dying) => {
        dying.query('BEGIN').catch(() => {});
        socketOf(dying).destroySoon();
      },
    ],
    [
      'while a statement runs',
      async (dying) => {
        await dying.query('BEGIN');
        dying.query('CREATE TABLE gone (); SELECT count(*) FROM generate_series(1, 300000)').catch(() => {});
        socketOf(dying).destroySoon();
      },
    ],
    [
      'in the middle of a message',
      async (dying) => {
        await dying.query('BEGIN');
        socketOf(dying).write(Buffer.from([0x51, 0, 0, 1, 0, 0x53]));
        socketOf(dying).destroySoon();
      },
    ],
  ];

  test.each(deaths)('%s keeps nobody waiting', async (_, die) => {
    const embedded = shared;
    const dying = await client(embedded);
    const other = await client(embedded);
    await die(dying);
    const { rows } = await other.query(`SELECT to_regclass('gone') AS gone`);
    expect(rows).toEqual([{ gone: null }]);
    const later = await client(embedded);
    expect((await later.query('SELECT 2 AS a')).rows).toEqual([{ a: 2 }]);
  });
});

test('a client that leaves its transaction idle is cut off, and the others go on', async () => {
  const embedded = await start({ idleInTransactionMs: 50 });
  const idle = await client(embedded);
  const ended = once(idle, 'error');
  await idle.query('BEGIN');
  await idle.query('CREATE TABLE gone ()');
  const { rows } = await (await client(embedded)).query(`SELECT to_regclass('gone') AS gone`);
  expect(rows).toEqual([{ gone: null }]);
  expect((await ended)[0]).toMatchObject({ code: '25P03' });
});

test('nobody gets in without the password, and bytes that are no protocol only end their connection', async () => {
  const embedded = shared;
  const wrong = new pg.Client({ connectionString: embedded.connectionString.replace(/:[^:@]+@/, ':wrong@') });
  await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' });
  const { port } = new URL(embedded.connectionString);
  const query = Buffer.from('Q\0\0\0\rSELECT 1\0', 'latin1');
  const startup = Buffer.from('\0\0\0\x12\0\x03\0\0user\0ann\0\0', 'latin1');
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(64, 0xff),
    Buffer.alloc(64),
    Buffer.concat([startup, query]),
    Buffer.concat([startup, Buffer.from('Q\x7f\xff\xff\xff', 'latin1')]),
  ]) {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.write(bytes);
    await once(socket, 'close');
    expect(answer).not.toContain('T');
  }
  expect((await (await client(embedded)).query('SELECT 1 AS a')).rows).toEqual([{ a: 1 }]);
});

test('COPY FROM STDIN is refused, and the connection goes on', async () => {
  const each = await client(shared);
  await each.query('CREATE TABLE t (a text)');
  await expect(each.query('COPY t FROM STDIN')).rejects.toMatchObject({ code: '0A000' });
  const extended = { text: 'COPY t FROM STDIN', queryMode: 'extended' };
  await expect(each.query(extended)).rejects.toMatchObject({ code: '0A000' });
  await each.query(`INSERT INTO t VALUES ('copy t from stdin')`);
  expect((await each.query('SELECT a FROM t')).rows).toEqual([{ a: 'copy t from stdin' }]);
});

test('a session that ends by itself is started again on the same port, with its data', async () => {
  const embedded = await start();
  const before = await client(embedded);
  await before.query('CREATE TABLE kept AS SELECT 42 AS a');
  // PGlite ends its session when COPY finds no input; only a plain COPY is caught before that.
  await expect(before.query('/* here */ COPY kept FROM STDIN')).rejects.toThrow();
  await vi.waitFor(
    async () => {
      expect((await (await client(embedded)).query('SELECT a FROM kept')).rows).toEqual([{ a: 42 }]);
    },
    { timeout: 20_000, interval: 50 },
  );
  expect(lines.join('')).toContain('the embedded PostgreSQL failed');
});

test('data is there after a restart, and after kill -9 of the process', async () => {
  const dataDir = newDataDir();
  const first = await startEmbedded({ dataDir, logger });
  await (await client(first)).query('CREATE TABLE t AS SELECT 1 AS a');
  await clients.pop()?.end();
  await first.close();
  const program = `
    import { startEmbedded } from ${JSON.stringify(new URL('../dist/store/embedded.js', import.meta.url).href)};
    import { createLogger } from ${JSON.stringify(new URL('../dist/log.js', import.meta.url).href)};
    const logger = createLogger({ level: 'error', format: 'json' });
    console.log((await startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, logger })).connectionString);`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [connectionString] = (await once(
    createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }),
    'line',
  )) as [string];
  const inChild = await client({ connectionString, close: async () => {} });
  await inChild.query('INSERT INTO t VALUES (2)');
  await inChild.query('BEGIN');
  await inChild.query('INSERT INTO t VALUES (3)');
  child.kill('SIGKILL');
  await once(child, 'exit');
  clients.pop();
  const again = await start({ dataDir });
  expect((await (await client(again)).query('SELECT a FROM t ORDER BY a')).rows).toEqual([
    { a: 1 },
    { a: 2 },
  ]);
});

test.each([
  [
    'a file in place of the directory',
    (dir: string) => {
      rmSync(join(dir, 'postgres'), { recursive: true });
      writeFileSync(join(dir, 'postgres'), '');
    },
  ],
  ['another version', (dir: string) => writeFileSync(join(dir, 'postgres', 'PG_VERSION'), '12\n')],
  ['a missing control file', (dir: string) => rmSync(join(dir, 'postgres', 'global', 'pg_control'))],
  [
    'a damaged control file',
    (dir: string) => writeFileSync(join(dir, 'postgres', 'global', 'pg_control'), Buffer.alloc(8192, 7)),
  ],
])('%s is a StoreError that names the directory', async (_, damage) => {
  const dataDir = newDataDir();
  damage(dataDir);
  await expect(startEmbedded({ dataDir, logger, startTimeoutMs: 30_000 })).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining(join(dataDir, 'postgres')),
  });
});

test('a start that takes too long is a StoreError', async () => {
  await expect(startEmbedded({ dataDir: newDataDir(), logger, startTimeoutMs: 1 })).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining('no answer within 1 ms'),
  });
});

test('a database whose creation was interrupted is moved aside, not deleted', async () => {
  const dataDir = newDataDir();
  rmSync(join(dataDir, 'postgres', 'zmsg.complete'));
  rmSync(join(dataDir, 'postgres', 'global'), { recursive: true });
  const embedded = await start({ dataDir });
  expect((await (await client(embedded)).query('SELECT 1 AS a')).rows).toEqual([{ a: 1 }]);
  const aside = readdirSync(dataDir).find((name) => name.startsWith('postgres.incomplete-')) ?? '';
  expect(existsSync(join(dataDir, aside, 'PG_VERSION'))).toBe(true);
});

test('a start says that it is embedded, in production as a warning', async () => {
  lines.length = 0;
  await start();
  vi.stubEnv('NODE_ENV', 'production');
  await start();
  vi.unstubAllEnvs();
  const entries = lines.map((line) => JSON.parse(line) as { level: number; msg: string });
  expect(entries.map(({ level }) => level)).toEqual([30, 40]);
  for (const { msg } of entries) expect(msg).toContain('embedded PostgreSQL');
  expect(entries[1]?.msg).toContain('set postgres_dsn in production');
});

test('close cuts connections, also of a transaction and of who waits for it, and frees the port', async () => {
  const embedded = await startEmbedded({ dataDir: newDataDir(), logger });
  const { port } = new URL(embedded.connectionString);
  const busy = await client(embedded);
  await busy.query('BEGIN');
  const waiting = (await client(embedded)).query('SELECT 1').catch((error: unknown) => error);
  await Promise.all([embedded.close(), embedded.close()]);
  expect(await waiting).toBeInstanceOf(Error);
  const socket = connect(Number(port), '127.0.0.1');
  expect((await once(socket, 'error').catch(() => []))[0]).toMatchObject({ code: 'ECONNREFUSED' });
  clients.length = 0;
});

test('a process that closes its embedded database ends by itself', async () => {
  const program = `
    import { startEmbedded } from ${JSON.stringify(new URL('../dist/store/embedded.js', import.meta.url).href)};
    import { createLogger } from ${JSON.stringify(new URL('../dist/log.js', import.meta.url).href)};
    const logger = createLogger({ level: 'error', format: 'json' });
    const embedded = await startEmbedded({ dataDir: ${JSON.stringify(newDataDir())}, logger });
    await embedded.close();
    console.log('closed');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await once(child, 'exit')).toEqual([0, null]);
});
