import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '@zmsg/node';
import { type PostgresServer, startPostgres } from '@zmsg/testbed';
import pg from 'pg';
import { Tally } from '../tally.js';
import { encodeValue } from './audited-value.js';
import { type FaultWindow, History } from './history.js';
import { KEYS, TABLES } from './key-space.js';
import type { Commit } from './key-versions.js';
import { monotonicMs } from './monotonic-clock.js';
import { NodeProcess } from './node-process.js';
import { RedisFleet, type RedisKind } from './redis-fleet.js';

export interface FleetOptions {
  readonly seed: number;
  readonly slots: number;
  readonly redis: RedisKind;
  /** Of each node, a second. */
  readonly readRate: number;
  readonly writeRate: number;
  readonly signal: AbortSignal;
  /** @default audited-node.js */
  readonly program?: URL;
}

/** Nodes under load over one Redis and one PostgreSQL, all of them real and ready to be broken. */
export class Fleet {
  readonly random: Random;
  readonly history = new History();
  readonly postgres: PostgresServer;
  readonly redis: RedisFleet;
  readonly dir = mkdtempSync(join(tmpdir(), 'zmsg-nodes-'));
  readonly #options: FleetOptions;
  readonly #dsn: string;
  readonly #nodes: NodeProcess[] = [];
  readonly #processes: NodeProcess[] = [];

  private constructor(
    options: FleetOptions,
    random: Random,
    postgres: PostgresServer,
    dsn: string,
    redis: RedisFleet,
  ) {
    this.#options = options;
    this.random = random;
    this.postgres = postgres;
    this.#dsn = dsn;
    this.redis = redis;
  }

  /** Starts the servers, fills the tables, and opens the nodes. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const random = new Random(options.seed);
    const postgres = await startPostgres({ settings: ['fsync=off'] });
    let redis: RedisFleet | undefined;
    let fleet: Fleet | undefined;
    try {
      redis = await RedisFleet.start(options.redis, options.slots, random);
      fleet = new Fleet(options, random, postgres, await postgres.createDatabase('nodes'), redis);
      await fleet.#fill();
      await Promise.all(Array.from({ length: options.slots }, (_, slot) => fleet?.launch(slot)));
      return fleet;
    } catch (error) {
      if (fleet !== undefined) await fleet.destroy(true);
      else await Promise.all([redis?.destroy(), postgres.destroy()]);
      throw error;
    }
  }

  get slots(): number {
    return this.#options.slots;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  node(slot: number): NodeProcess {
    return this.#nodes[slot] as NodeProcess;
  }

  /** Opens a node in place of the one that ended. */
  async launch(slot: number): Promise<void> {
    this.signal.throwIfAborted();
    const { slots, readRate, writeRate } = this.#options;
    const dataDir = join(this.dir, `node-${slot}`);
    mkdirSync(dataDir, { recursive: true });
    const number = this.#processes.length + 1;
    const node = new NodeProcess(
      this.#options.program ?? new URL('audited-node.js', import.meta.url),
      {
        process: number,
        slot,
        slots,
        seed: this.random.uint32(),
        readRate,
        writeRate,
        options: {
          postgresDsn: this.#dsn,
          postgresMaxOpenConns: 12,
          redisAddr: this.redis.addrOf(slot),
          redisPoolSize: 2,
          dataDir,
          walSync: 'interval',
          batchShards: 2,
          batchInterval: 200,
          l1MaxCost: 4 << 20,
          l1NumCounters: 10_000,
          bloomCapacity: 10_000,
          logLevel: 'warn',
        },
      },
      join(this.dir, `process-${number}.log`),
      this.history,
    );
    this.#processes.push(node);
    this.#nodes[slot] = node;
    await node.opened;
  }

  /** All nodes stay, and make no calls meanwhile: on a busy machine they read faster than it can be judged. */
  async whileResting(work: () => Promise<void>): Promise<void> {
    for (const node of this.#nodes) node.tell('rest');
    try {
      await work();
    } finally {
      for (const node of this.#nodes) node.tell('go on');
    }
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)] as T;
  }

  /** Rejects when the run is interrupted. */
  pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.signal });
  }

  /** The time of a fault, from now until it is ended. */
  fault(fault: string): FaultWindow {
    const window = { fault, fromMs: monotonicMs(), toMs: Number.POSITIVE_INFINITY };
    this.history.faults.push(window);
    return window;
  }

  /** The whole commit log. */
  async commits(): Promise<Commit[]> {
    const toMonotonicMs = monotonicMs() - Date.now();
    const places = new Map(KEYS.map(({ name, at }) => [name, at]));
    const rows = await this.query(`
      SELECT id, write::float8, is_deletion, extract(epoch FROM at)::float8 * 1000 AS at
      FROM audited_commits ORDER BY id, version`);
    return rows.map(({ id, write, is_deletion, at }) => ({
      key: places.get(id as string) as number,
      write: write as number,
      isDeletion: is_deletion as boolean,
      atMs: (at as number) + toMonotonicMs,
    }));
  }

  /** Ends all nodes in an orderly way, those that stand or are cut off, too: nothing is broken any more. */
  async stop(): Promise<void> {
    await Promise.all(this.#nodes.filter(({ isOver }) => !isOver).map((node) => node.stop()));
  }

  /** Processes that ended and should not have. */
  complaints(): string[] {
    return this.#processes.flatMap(({ complaint, spec }) =>
      complaint === undefined ? [] : [`node ${spec.slot} (process ${spec.process}) ${complaint}`],
    );
  }

  /** Of all processes. */
  totals() {
    const totals = { l2Hits: 0, loads: 0, looks: 0, trusted: 0, rejected: new Tally(), events: new Tally() };
    for (const { counts } of this.#processes) {
      totals.l2Hits += counts.l2Hits;
      totals.loads += counts.loads;
      totals.looks += counts.looks;
      totals.trusted += counts.trusted;
      totals.rejected.addAll(Object.entries(counts.rejected));
      totals.events.addAll(Object.entries(counts.events));
    }
    return totals;
  }

  /** `keep`: what the processes printed is to be looked at. */
  async destroy(keep: boolean): Promise<void> {
    await Promise.all(this.#nodes.filter(({ isOver }) => !isOver).map((node) => node.kill()));
    await Promise.all([this.redis.destroy(), this.postgres.destroy()]);
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }

  async #fill(): Promise<void> {
    await this.query(TABLES);
    const rows = KEYS.filter(({ kind }) => kind !== 'cached');
    await this.query('INSERT INTO audited_rows (id, data) SELECT * FROM unnest($1::text[], $2::bytea[])', [
      rows.map(({ name }) => name),
      rows.map(({ at }) => encodeValue(at, at)),
    ]);
  }

  async query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.#dsn });
    client.on('error', () => {}); // its query rejects
    await client.connect();
    try {
      return ((await client.query(text, values)).rows ?? []) as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }
}
