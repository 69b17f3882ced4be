import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort } from './free-port.js';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.js';
import { createDatabase } from './test-database.js';

export interface PostgresServerOptions {
  /** Lines of postgresql.conf, `name=value`. */
  settings?: string[];
}

/** Starts a PostgreSQL of its own on a free loopback port, in a temporary directory. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const binaries = await findPostgresBinaries();
  const dir = mkdtempSync(join(tmpdir(), 'zmsg-pgdata-'));
  const { uid, gid } = binaries.identity;
  if (uid !== undefined && gid !== undefined) chownSync(dir, uid, gid);
  const flags = ['-D', dir, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  execFileSync(binaries.initdb, flags, { ...binaries.identity, stdio: 'pipe', cwd: tmpdir() });
  const server = new PostgresServer(binaries, dir, await freePort(), options.settings ?? []);
  await server.start();
  return server;
}

export class PostgresServer {
  readonly port: number;
  readonly #binaries: PostgresBinaries;
  readonly #dir: string;
  readonly #settings: string[];
  #process: ChildProcess | undefined;

  constructor(binaries: PostgresBinaries, dir: string, port: number, settings: string[]) {
    this.#binaries = binaries;
    this.#dir = dir;
    this.port = port;
    this.#settings = settings;
  }

  dsn(database = 'postgres'): string {
    return `postgresql://postgres:secret@127.0.0.1:${this.port}/${database}`;
  }

  /** What starts this server by hand, for those who want to look into its data. */
  get command(): string {
    return `${this.#binaries.postgres} -D ${this.#dir} -p ${this.port}`;
  }

  /** Creates an empty database and returns its connection string. */
  createDatabase(prefix?: string): Promise<string> {
    return createDatabase(this.port, prefix);
  }

  /** One query on the `postgres` database, over a connection of its own. */
  async query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    const client = new pg.Client({ connectionString: this.dsn() });
    await client.connect();
    try {
      return await client.query(text, values);
    } finally {
      await client.end();
    }
  }

  async start(): Promise<void> {
    const settings = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      'max_connections=300',
      ...this.#settings,
    ].flatMap((setting) => ['-c', setting]);
    const child = spawn(this.#binaries.postgres, ['-D', this.#dir, '-p', String(this.port), ...settings], {
      ...this.#binaries.identity,
      cwd: tmpdir(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`postgres ended with code ${code}: ${output}`)));
      child.stderr?.on('data', (chunk: Buffer) => {
        if (output.length < 65_536) output += chunk.toString();
        if (output.includes('database system is ready to accept connections')) resolve();
      });
    });
    child.removeAllListeners('exit');
    child.unref();
  }

  /** `fast` ends sessions and checkpoints, `immediate` is a crash of the server. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.ref();
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
  }

  /** Stops the server and deletes its data. */
  async destroy(): Promise<void> {
    await this.stop('immediate');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
