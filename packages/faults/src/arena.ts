import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ZMsgOptions } from '@zmsg/core';
import { Random } from '@zmsg/node';
import type { PostgresServer } from '@zmsg/testbed';
import pg from 'pg';
import { Oracle, type Violation } from './oracle.js';
import { takeSnapshot } from './snapshot.js';
import { TABLES } from './tables.js';
import { Tally } from './tally.js';
import { type LaunchOptions, WorkloadProcess } from './workload-process.js';
import type { WorkloadSpec } from './workload-spec.js';

export interface ArenaOptions {
  readonly name: string;
  readonly seed: number;
  readonly server: PostgresServer;
  readonly signal: AbortSignal;
  /** @default workload.js */
  readonly program?: URL | undefined;
}

export interface LaunchChanges extends Partial<Omit<WorkloadSpec, 'options'>> {
  readonly options?: ZMsgOptions;
  /** Name of the data directory; carried over from cycle to cycle. @default 'a' */
  readonly node?: string;
  readonly failpoints?: string;
}

/** Longest wait for the sessions of dead processes to end. */
const QUIET_LIMIT_MS = 20_000;

/** Where one scenario takes place: a database, data directories, processes, and the oracle over them. */
export class Arena {
  readonly random: Random;
  readonly dir: string;
  readonly dsn: string;
  readonly server: PostgresServer;
  readonly recoveryMs: number[] = [];
  readonly rejected = new Tally();
  readonly events = new Tally();
  /** Faults that took place, by kind. */
  readonly faults = new Tally();
  operations = 0;
  deadLetters = 0;
  readonly #options: ArenaOptions;
  readonly #oracle = new Oracle();
  readonly #processes: WorkloadProcess[] = [];
  readonly #nodes = new Set<string>();
  #runs = 0;

  private constructor(options: ArenaOptions, dsn: string) {
    this.#options = options;
    this.server = options.server;
    this.dsn = dsn;
    this.random = new Random(options.seed);
    this.dir = mkdtempSync(join(tmpdir(), `zmsg-faults-${options.name}-`));
  }

  static async open(options: ArenaOptions): Promise<Arena> {
    const dsn = await options.server.createDatabase(`faults_${options.name.replaceAll('-', '_')}`);
    const arena = new Arena(options, dsn);
    await arena.query(TABLES);
    // Deadlocks are to be found at once, not after a second.
    await arena.query(`ALTER DATABASE ${pg.escapeIdentifier(dsn.split('/').at(-1) ?? '')}
      SET deadlock_timeout = '20ms'`);
    return arena;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  dataDir(node: string): string {
    return join(this.dir, node);
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  oneOf<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)] as T;
  }

  /** Ends early when `signal` is aborted, and by rejecting when the run is interrupted. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    const either = signal === undefined ? this.signal : AbortSignal.any([this.signal, signal]);
    return pause(ms, undefined, { signal: either }).catch((error) => {
      this.signal.throwIfAborted();
      if (signal?.aborted !== true) throw error;
    });
  }

  /** The data directory cannot be opened any more; the node begins with an empty one. */
  abandon(node: string): void {
    rmSync(this.dataDir(node), { recursive: true, force: true });
  }

  fault(kind: string): void {
    this.faults.add(kind);
  }

  async query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.dsn });
    client.on('error', () => {}); // its query rejects
    await client.connect();
    try {
      return ((await client.query(text, values)).rows ?? []) as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  /** Starts a process under load. `opened` of it resolves when its engine is open. */
  launch(changes: LaunchChanges = {}): WorkloadProcess {
    this.signal.throwIfAborted();
    const { node = 'a', options = {}, failpoints, ...spec } = changes;
    this.#nodes.add(node);
    this.#runs += 1;
    mkdirSync(this.dir, { recursive: true });
    const launch: LaunchOptions = {
      spec: {
        run: this.#runs,
        seed: this.random.uint32(),
        rate: this.oneOf([1_500, 3_000, 6_000]),
        inFlight: this.oneOf([100, 400, 800]),
        poison: false,
        ...spec,
        options: { ...this.#engineOptions(node), ...options },
      },
      logFile: join(this.dir, `run-${this.#runs}.log`),
      failpoints,
      program: this.#options.program,
    };
    const process = new WorkloadProcess(launch);
    this.#processes.push(process);
    return process;
  }

  /** SIGKILL. */
  async kill(process: WorkloadProcess): Promise<void> {
    this.fault('kills');
    await process.kill();
    if (process.spec.options.walSync === 'off') process.kept = 'applied';
  }

  /** Recovers every node that ran in this cycle, and compares. Nothing of the cycle is running any more. */
  async finishCycle(): Promise<Violation[]> {
    await Promise.all(this.#processes.map((process) => process.ended));
    await this.#expireJobs();
    const before = this.#processes.length;
    const recoveries = [...this.#nodes].map((node) => this.launch({ node, rate: 0, flushEveryMs: 1_000 }));
    await Promise.all(recoveries.map((process) => process.ended));
    const violations = this.#processes.splice(0).flatMap((process, at) => {
      const { ledger } = process;
      this.operations += ledger.operations;
      this.rejected.addAll(ledger.rejected);
      this.events.addAll(ledger.events);
      if (at >= before && ledger.openMs !== undefined) this.recoveryMs.push(ledger.openMs);
      return [...complaintsOf(process), ...this.#oracle.add(ledger, process.kept)];
    });
    this.#nodes.clear();
    await this.#quiet();
    const snapshot = await takeSnapshot(this.dsn);
    this.deadLetters = snapshot.deadLetters;
    return [...violations, ...this.#oracle.check(snapshot)];
  }

  /** Of processes that have ended, in a cycle that was broken off. */
  complaints(): Violation[] {
    return this.#processes.filter(({ isOver }) => isOver).flatMap(complaintsOf);
  }

  /** After a cycle that was broken off. */
  async killAll(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((process) => process.kill()));
  }

  delete(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #engineOptions(node: string): ZMsgOptions {
    return {
      postgresDsn: this.dsn,
      postgresMaxOpenConns: 10,
      dataDir: this.dataDir(node),
      // At both, what is acknowledged survives a kill.
      walSync: this.oneOf(['always', 'interval']),
      walInterval: this.oneOf([50, 1_000]),
      batchShards: 4,
      batchSize: this.oneOf([5, 20, 100]),
      batchInterval: this.oneOf([20, 100, 500]),
      pendingMax: this.oneOf([2_000, 100_000]),
      shutdownTimeout: '60s',
      l1MaxCost: 8 << 20,
      l1NumCounters: 10_000,
      bloomCapacity: 100_000,
      logLevel: 'warn',
    };
  }

  /** Jobs of dead processes are given to others when their lock expires; here, at once. */
  async #expireJobs(): Promise<void> {
    const [found] = await this.query(`SELECT to_regclass('zmsg_boss.job')::text AS job`);
    if (found?.job == null) return;
    await this.#quiet();
    await this.query(`UPDATE zmsg_boss.job SET state = 'retry', start_after = now() WHERE state = 'active'`);
  }

  /** A session may go on for a moment after its process: with the COMMIT that it had sent, for one. */
  async #quiet(): Promise<void> {
    const others = `SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`;
    for (const end = performance.now() + QUIET_LIMIT_MS; ; await this.pause(20)) {
      const [found] = await this.query(others);
      if (found?.n === 0) return;
      if (performance.now() > end) throw new Error(`${found?.n} sessions of processes that ended are left`);
    }
  }
}

function complaintsOf({ run, complaint }: WorkloadProcess): Violation[] {
  if (complaint === undefined) return [];
  return [{ kind: 'failed', item: `process ${run}`, amount: 1, detail: complaint }];
}
