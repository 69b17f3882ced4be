import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spread } from '../contest.js';
import type { WorkloadRun } from '../result.js';
import { shardCount } from '../shard-count.js';
import { ContenderProcess } from './contender-process.js';
import type { ContenderEntry } from './contenders/catalogue.js';
import type { Mix } from './feed-load.js';
import type { PhaseReadings } from './phase.js';
import type { Servers } from './servers.js';
import type { DatabaseWork } from './statement-count.js';
import type { Measured } from './trial.js';
import type { TrialTask } from './trial-task.js';

export interface Setting extends Mix {
  /** Posts in the database. */
  size: number;
  skew: number;
  ttlMs: number;
  l1Bytes: number;
  /** Little data and short rounds, and a quick start. */
  quick: boolean;
}

/** What became of the rounds of one phase. */
interface Outcome {
  rates: number[];
  database: DatabaseWork;
  loads: number;
  seconds: number;
  readings: PhaseReadings;
}

const CONNECTIONS = 25;
const QUICK_CONNECTIONS = 8;
const SEED = 20_240_101;
/** zmsg's default `batch_interval`: a count that is loaded may be as old as the last flush. */
const FLUSH_MS = 5_000;
/** What this machine may add: a flush takes its time, a process may have to wait. */
const MARGIN_MS = 5_000;
let entered = 0;

/** A contender in a contest: its process, its database, and what it has done in each phase. */
export class Entrant {
  readonly entry: ContenderEntry;
  readonly #servers: Servers;
  readonly #database: string;
  readonly #process: ContenderProcess;
  readonly #outcomes = new Map<string, Outcome>();

  private constructor(entry: ContenderEntry, servers: Servers, database: string, process: ContenderProcess) {
    this.entry = entry;
    this.#servers = servers;
    this.#database = database;
    this.#process = process;
  }

  static async enter(entry: ContenderEntry, servers: Servers, setting: Setting): Promise<Entrant> {
    const { size, skew, likes, posts, ttlMs, l1Bytes, quick } = setting;
    const database = await servers.createDatabase(size);
    const number = entered++;
    const dir = join(servers.dir, String(number));
    mkdirSync(dir);
    const started = await ContenderProcess.start({
      contender: entry.id,
      site: {
        dsn: servers.dsnOf(database),
        redis: servers.redis,
        prefix: `workload-${process.pid}-${number}:`,
        dir,
        ttlMs,
        l1Bytes,
        connections: quick ? QUICK_CONNECTIONS : CONNECTIONS,
        batchShards: shardCount(quick),
      },
      size,
      skew,
      likes,
      posts,
      seed: SEED,
      allowedAgeMs: entry.isExact === true ? 0 : ttlMs + FLUSH_MS + MARGIN_MS,
    });
    return new Entrant(entry, servers, database, started);
  }

  async run(task: TrialTask): Promise<Measured> {
    const before = await this.#servers.count.of(this.#database);
    const measured = await this.#process.run(task);
    const after = await this.#servers.count.of(this.#database);
    const { rates, database, loads, seconds } = this.#outcomes.get(task.phase) ?? {
      rates: [],
      database: { statements: 0, rows: 0 },
      loads: 0,
      seconds: 0,
    };
    this.#outcomes.set(task.phase, {
      rates: [...rates, measured.operations / measured.seconds],
      database: {
        statements: database.statements + after.statements - before.statements,
        rows: database.rows + after.rows - before.rows,
      },
      loads: loads + measured.loads,
      seconds: seconds + measured.seconds,
      readings: measured.readings,
    });
    return measured;
  }

  /** Everything that it acknowledged is in PostgreSQL. @throws Error when it is not */
  check(): Promise<string> {
    return this.#process.check();
  }

  outcome(phase: string): Outcome {
    const outcome = this.#outcomes.get(phase);
    if (outcome === undefined) throw new Error(`${this.entry.name} has no round of ${phase}`);
    return outcome;
  }

  /** @param reference whom all are measured against, round by round */
  result(phase: string, reference: Entrant, checked: string, offered?: number): WorkloadRun {
    const { name, does, ours } = this.entry;
    const { rates, database, readings } = this.outcome(phase);
    const theirs = reference.outcome(phase).rates;
    return {
      name,
      does,
      ours,
      ...(offered !== undefined && { offered }),
      throughput: spread(rates),
      ratio: spread(rates.map((rate, round) => (theirs[round] ?? Number.NaN) / rate)),
      ...readings,
      database,
      checked,
    };
  }

  async leave(): Promise<void> {
    await this.#process.stop();
    await this.#servers.drop(this.#database);
  }

  kill(): void {
    this.#process.kill();
  }
}
