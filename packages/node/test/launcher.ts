import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createDatabase } from '@zmsg/testbed';
import { expect, inject, onTestFinished } from 'vitest';
import { freshDir, statements } from '../../core/test/open-engine.js';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

export function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

export interface LogLine {
  readonly msg: string;
  readonly level: number;
  readonly thread?: number;
  readonly process?: number;
  readonly err?: { readonly type: string; readonly message: string };
}

/** `zmsg-node start` as a process of its own; ended, whatever happens, when the test is. */
export class Launcher {
  readonly dsn: string;
  readonly dataDir: string;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #closed: Promise<number | null>;
  stdout = '';
  stderr = '';

  private constructor(dsn: string, dataDir: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.dsn = dsn;
    this.dataDir = dataDir;
    this.#child = spawn(process.execPath, [CLI, 'start', ...args], {
      env: {
        PATH: process.env.PATH,
        ZMSG_POSTGRES_DSN: dsn,
        ZMSG_DATA_DIR: dataDir,
        ZMSG_BATCH_SHARDS: '2',
        ZMSG_BATCH_INTERVAL: '1h', // what is in PostgreSQL has been flushed for a reason
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.#closed = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  static async start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Launcher> {
    const dsn = env.ZMSG_POSTGRES_DSN ?? (await createDatabase(inject('postgresPort'), 'start'));
    const launcher = new Launcher(dsn, env.ZMSG_DATA_DIR ?? freshDir(), args, env);
    onTestFinished(async () => {
      launcher.kill('SIGKILL');
      await launcher.#closed;
    });
    return launcher;
  }

  get pid(): number {
    return this.#child.pid ?? Number.NaN;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the exit code, when all that held its output is gone: its processes too. */
  ended(): Promise<number | null> {
    return this.#closed;
  }

  /** Lines of the log that it has written so far. */
  log(): LogLine[] {
    return this.stderr
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves with the first line that matches; rejects when it has ended without. */
  logged(text: string, from: { thread?: number; process?: number } = {}): Promise<LogLine> {
    return this.#until(`log line ${text}`, () =>
      this.log().find(
        ({ msg, thread, process }) =>
          msg === text &&
          (from.thread === undefined || from.thread === thread) &&
          (from.process === undefined || from.process === process),
      ),
    );
  }

  /** Resolves when the program has written it to stdout. */
  async printed(text: string): Promise<void> {
    await this.#until(`output ${text}`, () => (this.stdout.includes(text) ? true : undefined));
  }

  #until<T>(what: string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const tryIt = () => {
        const found = look();
        if (found === undefined) return;
        this.#child.stderr.off('data', tryIt);
        this.#child.stdout.off('data', tryIt);
        resolve(found);
      };
      this.#child.stderr.on('data', tryIt);
      this.#child.stdout.on('data', tryIt);
      void this.#closed.then((code) =>
        reject(new Error(`ended with ${code} before ${what}:\n${this.stdout}\n${this.stderr}`)),
      );
      tryIt();
    });
  }
}

/** The answer to one request over a connection of its own, as fetch would keep it to one thread. */
export async function ask(port: number, path: string, init: RequestInit = {}): Promise<string> {
  const headers = { connection: 'close' };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, ...init });
  return response.text();
}

/** Asks until each of `count` threads or processes has answered; resolves with what they say of themselves. */
export async function askAll(port: number, count: number): Promise<Map<number, Who>> {
  const found = new Map<number, Who>();
  while (found.size < count) {
    const who = JSON.parse(await ask(port, '/who')) as Who;
    found.set(who.number, who);
  }
  return found;
}

/** The counter that `/like` of the fixture counts. */
export async function likesIn(dsn: string): Promise<number> {
  const [row] = await statements(dsn)('SELECT n::int FROM likes');
  return row?.n as number;
}

/** A database with that counter at zero. */
export async function databaseWithLikes(): Promise<string> {
  const dsn = await createDatabase(inject('postgresPort'), 'start');
  await statements(dsn)(`CREATE TABLE likes (id text PRIMARY KEY, n bigint NOT NULL);
    INSERT INTO likes VALUES ('p', 0)`);
  return dsn;
}

/** Likes in flight, all the time. */
export class LikeLoad {
  /** Sent. */
  attempted = 0;
  /** Acknowledged, by number of the thread or process. */
  readonly acknowledged = new Map<string, number>();
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(port: number, concurrency = 8) {
    this.#running = Array.from({ length: concurrency }, async () => {
      while (!this.#stopped) {
        this.attempted += 1;
        // What fails on the way, as its thread crashes or the application stops, is not acknowledged.
        const number = await ask(port, '/like').catch(() => undefined);
        if (number !== undefined) this.acknowledged.set(number, (this.acknowledged.get(number) ?? 0) + 1);
      }
    });
  }

  get total(): number {
    return [...this.acknowledged.values()].reduce((sum, each) => sum + each, 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

export interface Who {
  readonly kind: string;
  readonly number: number;
  readonly count: number;
  readonly pid: number;
  readonly threadId: number;
}

/** Nobody listens on it any more. */
export async function expectFree(port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  expect(server.listening).toBe(true);
  await new Promise((resolve) => server.close(resolve));
}
