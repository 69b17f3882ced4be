import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { afterAll, describe, expect, inject, test } from 'vitest';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const XZ_TRACE = fileURLToPath(new URL('fixtures/small.trace.xz', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'zmsg-demo-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A demo as a process of its own, with what it has printed so far. */
class DemoProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const {
      ZMSG_POSTGRES_DSN: _dsn,
      ZMSG_REDIS_ADDR: _addr,
      FORCE_COLOR: _color,
      ...inherited
    } = process.env;
    this.#child = spawn(process.execPath, [CLI, 'demo', ...args], {
      env: { ...inherited, TMPDIR: dir, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', resolve);
    });
  }

  /** Resolves with the exit code. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves when stdout matches. */
  printed(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (pattern.test(this.stdout)) resolve();
      };
      this.#child.stdout.on('data', look);
      this.#child.once('close', () =>
        reject(new Error(`ended before ${pattern}: ${this.stdout}${this.stderr}`)),
      );
      look();
    });
  }
}

async function demo(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<DemoProcess & { code: number | null }> {
  const process = new DemoProcess(args, env);
  const code = await process.ended();
  return Object.assign(process, { code });
}

async function withClient<T>(dsn: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
}

const newDatabase = () => createDatabase(inject('postgresPort'), 'demo');

const SMALL = ['--posts', '2000', '--users', '500', '--seconds', '1.5'];
const LIKES = /CHECK likes: +([\d,]+) submitted, ([\d,]+) in PostgreSQL, 0 missing, 0 double +PASSED/;
const ESCAPE = String.fromCharCode(0x1b);

/** Likes submitted, which are all there. */
function likesOf({ stdout }: DemoProcess): number {
  const [, submitted, stored] = LIKES.exec(stdout) ?? [];
  expect(stored, stdout).toBe(submitted);
  return Number(submitted?.replaceAll(',', ''));
}

describe('the demo on the embedded PostgreSQL', () => {
  test('runs, prints plain lines and tables, passes its check and leaves nothing behind', async () => {
    const run = await demo([...SMALL, '--json', join(dir, 'results.json')]);
    expect(run.stderr).toBe('');
    expect(run.code, run.stdout).toBe(0);
    expect(likesOf(run)).toBeGreaterThan(100);
    expect(run.stdout).toMatch(
      /^1\.\d s of 1\.5 s {2}[\d,]+ ops\/s {2}L1 [\d.]+ % {2}pending [\d,]+ {2}flushes/m,
    );
    for (const name of ['followers', 'tags', 'extra', 'posts', 'reads']) {
      expect(run.stdout).toMatch(new RegExp(`CHECK ${name}: .*PASSED$`, 'm'));
    }
    expect(run.stdout).not.toContain(ESCAPE);
    expect(readdirSync(dir).filter((name) => name.startsWith('zmsg-demo-'))).toEqual([]);

    const results = JSON.parse(readFileSync(join(dir, 'results.json'), 'utf8'));
    expect(results.passed).toBe(true);
    const { l1, l2, joined, postgres, reads } = results.layers;
    expect(l2).toBe(undefined);
    expect(l1 + joined + postgres).toBe(reads);
    expect(results.byAction.like.done).toBe(likesOf(run));
    expect(results.writes.statements).toBeGreaterThan(0);
    expect(results.writes.statements).toBeLessThan(results.writes.logical);
  });

  test('runs a second time in a data directory that an interrupted run has left', async () => {
    const dataDir = join(dir, 'kept');
    const interrupted = new DemoProcess([...SMALL, '--seconds', '60', '--data-dir', dataDir]);
    await interrupted.printed(/ops\/s/);
    interrupted.kill('SIGKILL');
    await interrupted.ended();
    const run = await demo([...SMALL, '--data-dir', dataDir]);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    likesOf(run);
    expect(existsSync(dataDir)).toBe(true);
  });
});

describe('the demo on real servers', () => {
  test('passes its check, twice in one database, with Redis as L2', async () => {
    const dsn = await newDatabase();
    const args = [...SMALL, '--postgres', dsn, '--redis', inject('redisAddr')];
    const first = await demo(args);
    expect(first.code, first.stdout + first.stderr).toBe(0);
    expect(first.stdout).not.toContain('secret');
    const second = await demo(args);
    expect(second.code, second.stdout + second.stderr).toBe(0);

    // What the check says is true: the tables hold the second run.
    const stored = await withClient(dsn, (client) =>
      client.query('SELECT sum(like_count)::int AS likes FROM zmsg_demo_post_meta'),
    );
    expect(stored.rows[0]?.likes).toBe(likesOf(second));
  });

  test('shows what Redis answers when L1 is too small for the feed', async () => {
    const file = join(dir, 'scans.trace');
    const keys = Buffer.alloc(4 * 24_000);
    for (let i = 0; i < 24_000; i += 1) keys.writeUInt32BE(i % 8_000, 4 * i);
    writeFileSync(file, keys);
    const servers = ['--postgres', await newDatabase(), '--redis', inject('redisAddr')];
    const run = await demo(['--trace', file, '--json', join(dir, 'l2.json'), ...servers], {
      ZMSG_L1_MAX_COST: String(1 << 20),
    });
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toMatch(/^ {2}L2 \(Redis\) +[1-9]/m);
    const { l1, l2, joined, postgres, reads } = JSON.parse(readFileSync(join(dir, 'l2.json'), 'utf8')).layers;
    expect(l1 + l2 + joined + postgres).toBe(reads);
  });

  test('takes the servers from the environment too; options win over it', async () => {
    const dsn = await newDatabase();
    const env = { ZMSG_POSTGRES_DSN: dsn, ZMSG_REDIS_ADDR: inject('redisAddr') };
    const fromEnvironment = await demo(SMALL, env);
    expect(fromEnvironment.code, fromEnvironment.stdout + fromEnvironment.stderr).toBe(0);

    const wrong = { ...env, ZMSG_POSTGRES_DSN: 'postgresql://nobody@127.0.0.1:1/none' };
    const fromOption = await demo([...SMALL, '--postgres', dsn], wrong);
    expect(fromOption.code, fromOption.stdout + fromOption.stderr).toBe(0);
  });

  test('Ctrl-C ends the load early; what was submitted is flushed and checked', async () => {
    const run = new DemoProcess([...SMALL, '--seconds', '600', '--postgres', await newDatabase()]);
    await run.printed(/ops\/s/);
    run.kill('SIGINT');
    expect(await run.ended(), run.stderr).toBe(0);
    expect(run.stdout).toContain('stopped early');
    expect(likesOf(run)).toBeGreaterThan(0);
  });

  test('Ctrl-C before the load begins ends with an empty report', async () => {
    const run = new DemoProcess([...SMALL, '--seconds', '600', '--postgres', await newDatabase()]);
    await run.printed(/connecting/);
    run.kill('SIGINT');
    expect(await run.ended(), run.stderr).toBe(0);
    expect(likesOf(run)).toBe(0);
  });

  test('a second Ctrl-C ends it at once with 130', async () => {
    const run = new DemoProcess([...SMALL, '--seconds', '600', '--postgres', await newDatabase()]);
    await run.printed(/ops\/s/);
    run.kill('SIGINT');
    run.kill('SIGTERM');
    expect(await run.ended()).toBe(130);
    expect(run.stdout).not.toContain('CHECK');
  });

  test('a like that is counted twice fails the check, and the exit code says so', async () => {
    const dsn = await newDatabase();
    const run = new DemoProcess([...SMALL, '--seconds', '3', '--postgres', dsn]);
    await run.printed(/ops\/s/);
    await withClient(dsn, (client) =>
      client.query(
        `UPDATE zmsg_demo_post_meta SET like_count = like_count + 1
         WHERE id = (SELECT id FROM zmsg_demo_post_meta LIMIT 1)`,
      ),
    );
    expect(await run.ended()).toBe(1);
    expect(run.stdout).toMatch(/CHECK likes: .* 0 missing, 1 double +FAILED/);
    expect(run.stdout).toContain('Check FAILED');
  });

  test('likes that PostgreSQL lost, and tags that it changed, fail the check', async () => {
    const dsn = await newDatabase();
    const run = new DemoProcess([...SMALL, '--seconds', '3', '--postgres', dsn]);
    await run.printed(/ops\/s/);
    await withClient(dsn, (client) =>
      client.query(
        `UPDATE zmsg_demo_post_meta SET like_count = like_count - 2, tags = '["nobody''s"]'
         WHERE id = (SELECT id FROM zmsg_demo_post_meta LIMIT 1)`,
      ),
    );
    expect(await run.ended()).toBe(1);
    expect(run.stdout).toMatch(/CHECK likes: .* 2 missing, 0 double +FAILED/);
    expect(run.stdout).toMatch(/CHECK tags: .* 1 different +FAILED/);
    expect(run.stdout).toMatch(/CHECK followers: .* 0 missing, 0 double +PASSED/);
  });

  test('two demos at once in one database: the second says that there is a first', async () => {
    const dsn = await newDatabase();
    const first = new DemoProcess([...SMALL, '--seconds', '600', '--postgres', dsn]);
    await first.printed(/ops\/s/);
    const second = await demo([...SMALL, '--postgres', dsn]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain('another zmsg demo is running in this database');
    first.kill('SIGINT');
    expect(await first.ended(), first.stderr).toBe(0);
    likesOf(first);
  });
});

describe('the demo replays a trace', () => {
  test('from an xz file: each access once, every tenth access of a key a like', async () => {
    const dsn = await newDatabase();
    const run = await demo(['--trace', XZ_TRACE, '--postgres', dsn, '--json', join(dir, 'trace.json')]);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    const accesses = new Map<number, number>();
    for (let i = 0; i < 50_000; i += 1) {
      const key = i % 7 === 0 ? -1 - (i % 5) : i % 251;
      accesses.set(key, (accesses.get(key) ?? 0) + 1);
    }
    const likes = [...accesses.values()].reduce((sum, count) => sum + Math.floor(count / 10), 0);
    expect(likesOf(run)).toBe(likes);
    const results = JSON.parse(readFileSync(join(dir, 'trace.json'), 'utf8'));
    expect(results.operations).toBe(50_000);
    expect(results.insertedPosts).toBe(accesses.size);
    expect(run.stdout).toContain(`Operations over ${accesses.size} posts`);
  });

  test('from an uncompressed file, for as long as --seconds says', async () => {
    const file = join(dir, 'raw.trace');
    const keys = Buffer.alloc(4 * 2_000_000);
    for (let i = 0; i < keys.length / 4; i += 1) keys.writeUInt32BE(i % 5_000, 4 * i);
    writeFileSync(file, keys);
    const run = await demo(['--trace', file, '--seconds', '1', '--postgres', await newDatabase()]);
    expect(run.code, run.stdout + run.stderr).toBe(0);
    likesOf(run);
  });

  test('a trace that breaks off is an error that names it', async () => {
    const file = join(dir, 'cut.trace');
    writeFileSync(file, readFileSync(XZ_TRACE).subarray(0, -40));
    const dsn = await newDatabase();
    const run = await demo(['--trace', file, '--postgres', dsn]);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`${file}: the xz data ends too early: the file is cut off`);
    expect(run.stdout).not.toContain('PASSED');
  });
});

describe('options that cannot be', () => {
  test.each([
    [['--seconds', '-1'], /--seconds.*a number of seconds from 0\.1 to 86400/],
    [['--seconds', 'soon'], /--seconds.*a number of seconds/],
    [['--posts', '0'], /--posts.*a whole number from 1/],
    [['--users', '1.5'], /--users.*a whole number from 1/],
    [['--concurrency', ''], /--concurrency.*a whole number from 1/],
    [['--skew', '-0.1'], /--skew.*a number from 0 to 10/],
    [['--seed', '-1'], /--seed.*a whole number from 0/],
    [['--trace', '/no/such/file'], /--trace.*There is no such file/],
    [['--trace', tmpdir()], /--trace.*It is not a file/],
    [['--trace', XZ_TRACE, '--posts', '5'], /--posts.*cannot be used with.*--trace/],
    [['--json', '/no/such/dir/results.json'], /--json.*directory cannot be written to/],
    [['--postgres', 'localhost'], /--postgres.*must begin with postgresql:/],
    [['--speed', '5'], /unknown option '--speed'/],
    [['now'], /too many arguments/],
  ])('%j is refused with a sentence that says why', async (args, message) => {
    const run = await demo(args);
    expect(run.stderr).toMatch(message);
    expect(run.code).toBe(1);
    expect(run.stdout).toBe('');
  });

  test('a PostgreSQL that cannot be reached is said so, without its password', async () => {
    const run = await demo(['--postgres', 'postgresql://someone:hidden@127.0.0.1:1/none']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/PostgreSQL \(--postgres\) cannot be reached: .*ECONNREFUSED/);
    expect(run.stdout + run.stderr).not.toContain('hidden');
  });
});
