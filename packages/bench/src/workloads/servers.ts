import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres, startRedis } from '@zmsg/testbed';
import pg from 'pg';
import { BODY_SQL, ID_PREFIX } from './post.js';
import { StatementCount } from './statement-count.js';

export interface ServersOptions {
  /** Undefined: servers of its own, on loopback, with their default durability. */
  postgres: string | undefined;
  redis: string | undefined;
}

/** The same room in each page for all: an UPDATE of a count need not touch the index. */
const CREATE_POSTS = `
CREATE TABLE posts (
  id    text COLLATE "C" PRIMARY KEY,
  likes integer NOT NULL DEFAULT 0,
  body  text NOT NULL
) WITH (fillfactor = 70)`;

const INSERT_POSTS = `
INSERT INTO posts (id, body)
SELECT id, ${BODY_SQL} FROM generate_series(0, $1::int - 1) n, concat('${ID_PREFIX}', lpad(n::text, 8, '0')) id`;

/** PostgreSQL and Redis, with a database of its own for each contender, all of them copies of one. */
export class Servers {
  readonly redis: { host: string; port: number };
  readonly count: StatementCount;
  readonly dir: string;
  readonly #dsn: string;
  readonly #pool: pg.Pool;
  readonly #templates = new Map<number, Promise<string>>();
  /** PostgreSQL copies a database for one at a time. */
  #copied: Promise<unknown> = Promise.resolve();
  readonly #databases: string[] = [];
  #made = 0;

  private constructor(dsn: string, redis: string, pool: pg.Pool, count: StatementCount, dir: string) {
    const [host = '127.0.0.1', port = '6379'] = redis.split(':');
    this.redis = { host, port: Number(port) };
    this.#dsn = dsn;
    this.#pool = pool;
    this.count = count;
    this.dir = dir;
  }

  static async with<T>(options: ServersOptions, body: (servers: Servers) => Promise<T>): Promise<T> {
    const closers: (() => unknown)[] = [];
    try {
      const dir = mkdtempSync(join(tmpdir(), 'zmsg-bench-'));
      closers.push(() => rmSync(dir, { recursive: true, force: true }));
      let { postgres: dsn, redis } = options;
      if (dsn === undefined) {
        const server = await startPostgres({ settings: ['shared_preload_libraries=pg_stat_statements'] });
        closers.push(() => server.destroy());
        dsn = server.dsn();
      }
      if (redis === undefined) {
        const server = await startRedis();
        closers.push(() => server.destroy());
        redis = server.addr;
      }
      const pool = new pg.Pool({ connectionString: dsn, max: 2 });
      closers.push(() => pool.end());
      const servers = new Servers(dsn, redis, pool, await StatementCount.open(pool), dir);
      closers.push(() => servers.#dropAll());
      return await body(servers);
    } finally {
      for (const close of closers.reverse()) await close();
    }
  }

  /** A new database with so many posts; its name. */
  async createDatabase(posts: number): Promise<string> {
    const template = this.#templates.get(posts) ?? this.#createTemplate(posts);
    this.#templates.set(posts, template);
    const name = this.#newName();
    const copy = Promise.all([template, this.#copied]).then(([from]) =>
      this.#pool.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${pg.escapeIdentifier(from)}`),
    );
    this.#copied = copy;
    await copy;
    return name;
  }

  async drop(database: string): Promise<void> {
    await this.#pool.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(database)} WITH (FORCE)`);
    this.#databases.splice(this.#databases.indexOf(database), 1);
  }

  dsnOf(database: string): string {
    const dsn = new URL(this.#dsn);
    dsn.pathname = `/${database}`;
    return dsn.href;
  }

  /** Writes all that lies in PostgreSQL's memory, so that it is not written in somebody's round. */
  async checkpoint(): Promise<void> {
    await this.#pool.query('CHECKPOINT').catch(() => {}); // not for everyone
  }

  async #createTemplate(posts: number): Promise<string> {
    const name = this.#newName();
    await this.#pool.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    const client = new pg.Client({ connectionString: this.dsnOf(name) });
    await client.connect();
    await client.query(CREATE_POSTS);
    await client.query(INSERT_POSTS, [posts]);
    await client.query('VACUUM ANALYZE posts');
    await client.end();
    return name;
  }

  #newName(): string {
    const name = `workload_${process.pid}_${this.#made++}`;
    this.#databases.push(name);
    return name;
  }

  async #dropAll(): Promise<void> {
    for (const name of [...this.#databases]) await this.drop(name);
  }
}
