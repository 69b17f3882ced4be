import { Random } from '@zmsg/node';
import pg from 'pg';
import { Application } from './application.js';
import { arrivals } from './arrivals.js';
import { closedLoop } from './closed-loop.js';
import type { Contender, Site } from './contender.js';
import { entryOf } from './contenders/catalogue.js';
import { FeedLoad, type Mix } from './feed-load.js';
import { HitWindow } from './hit-window.js';
import { LikesLedger } from './likes-ledger.js';
import { LoadWatch } from './load-watch.js';
import { CLOCK, openLoop } from './open-loop.js';
import { Phase, type PhaseReadings } from './phase.js';
import { BODY_SQL, postNumber } from './post.js';
import type { Recorded, TrialTask } from './trial-task.js';

export interface TrialOptions extends Mix {
  contender: string;
  site: Omit<Site, 'loads'>;
  /** Posts in the database. */
  size: number;
  skew: number;
  seed: number;
  /** How old the count in a value may be. */
  allowedAgeMs: number;
}

export interface Measured {
  operations: number;
  /** Until everything that was acknowledged is in PostgreSQL; of an open loop, until the last answer. */
  seconds: number;
  /** Rows loaded from the database. */
  loads: number;
  /** Operations that could not be started at the rate asked for. */
  abandoned: number;
  /** Of all rounds of this phase so far. */
  readings: PhaseReadings;
}

const MAX_IN_FLIGHT = 20_000;
const PATIENCE_MS = 5_000;
/** Every so many accesses of a post in a recorded load, one is a like. */
const LIKE_EVERY = 10;

/** One contender under one workload, in this process. */
export class Trial {
  readonly #options: TrialOptions;
  readonly #contender: Contender;
  readonly #application: Application;
  readonly #ledger: LikesLedger;
  readonly #loads: LoadWatch;
  readonly #load: FeedLoad;
  readonly #random: Random;
  readonly #phases = new Map<string, Phase>();
  readonly #accesses = new Map<number, number>();

  private constructor(options: TrialOptions, contender: Contender, loads: LoadWatch) {
    this.#options = options;
    this.#contender = contender;
    this.#loads = loads;
    this.#ledger = new LikesLedger(options.allowedAgeMs);
    this.#random = new Random(options.seed);
    this.#load = new FeedLoad({ ...options, random: this.#random });
    this.#application = new Application({ contender, ledger: this.#ledger, loads, size: options.size });
  }

  static async start(options: TrialOptions): Promise<Trial> {
    const loads = new LoadWatch();
    const contender = await entryOf(options.contender).make({ ...options.site, loads });
    await contender.start();
    return new Trial(options, contender, loads);
  }

  /** @throws Error when an answer was wrong or a call failed */
  async run(task: TrialTask): Promise<Measured> {
    const phase = this.#phaseOf(task.phase);
    const { reads, misses } = this.#application;
    const loads = this.#loads.total;
    const startedMs = performance.now();
    phase.gauges.start();
    const { operations, abandoned = 0, seconds } = await this.#carryOut(task, phase);
    await this.#contender.settle();
    const settledMs = performance.now();
    await phase.gauges.stop();
    phase.reads += this.#application.reads - reads;
    phase.misses += this.#application.misses - misses;
    this.#application.throwFault();
    return {
      operations,
      seconds: seconds ?? (settledMs - startedMs) / 1_000,
      loads: this.#loads.total - loads,
      abandoned,
      readings: phase.read(),
    };
  }

  /**
   * Every count and every post in PostgreSQL against what was acknowledged.
   *
   * @returns what was checked, in words
   * @throws Error when anything is missing, double or changed
   */
  async check(): Promise<string> {
    await this.#contender.settle();
    const { size } = this.#options;
    const { reads, compared, published } = this.#application;
    const client = new pg.Client({ connectionString: this.#options.site.dsn });
    await client.connect();
    const { rows } = await client.query<{ id: string; likes: number; isWhole: boolean }>(
      `SELECT id, likes, body = ${BODY_SQL} AS "isWhole" FROM posts`,
    );
    await client.end();
    if (rows.length !== size + published) {
      throw new Error(`${rows.length} posts in PostgreSQL instead of ${size + published}`);
    }
    for (const { id, likes, isWhole } of rows) {
      const acknowledged = this.#ledger.acknowledged(postNumber(id));
      if (likes !== acknowledged) throw new Error(`${likes} likes of ${id} instead of ${acknowledged}`);
      if (!isWhole) throw new Error(`the body of ${id} is another`);
    }
    const count = (n: number) => n.toLocaleString('en-US');
    return [
      `likes of each of ${count(rows.length)} posts in PostgreSQL are the ${count(this.#ledger.total)} acknowledged`,
      `${count(published)} new posts are there`,
      `${count(reads)} reads gave their post, with a count at most ${this.#options.allowedAgeMs} ms old`,
      `${count(compared)} of them compared byte by byte`,
    ].join('; ');
  }

  stop(): Promise<void> {
    return this.#contender.stop();
  }

  /** `seconds`: if it is not the time that the call took. */
  async #carryOut(
    task: TrialTask,
    phase: Phase,
  ): Promise<{ operations: number; abandoned?: number; seconds?: number }> {
    const record = phase.record;
    const tick = (nowMs: number) => this.#ledger.tick(nowMs);
    switch (task.kind) {
      case 'warm-up': {
        let rank = 0;
        const start = () => (rank < task.ranks ? this.#application.read(this.#load.at(rank++)) : undefined);
        return { operations: await closedLoop({ width: task.width, start, record, onMoment: tick }) };
      }
      case 'closed': {
        const endMs = performance.now() + task.durationMs;
        let isOver = false;
        const onMoment = (nowMs: number) => {
          tick(nowMs);
          isOver = nowMs >= endMs;
        };
        const start = () => (isOver ? undefined : this.#next());
        return { operations: await closedLoop({ width: task.width, start, record, onMoment }) };
      }
      case 'open': {
        const schedule = arrivals(task.perSecond, task.seconds, this.#random);
        const start = () => this.#next();
        const { answered, abandoned, seconds } = await openLoop({
          schedule,
          start,
          record,
          onMoment: tick,
          clock: CLOCK,
          maxInFlight: MAX_IN_FLIGHT,
          patienceMs: PATIENCE_MS,
        });
        return { operations: answered, abandoned, seconds };
      }
      case 'cold': {
        const window = new HitWindow(task.window);
        const isWarm = () => window.ratio >= task.hitRatio || window.reads >= task.maxReads;
        const start = () => (isWarm() ? undefined : this.#readInto(window));
        return { operations: await closedLoop({ width: task.width, start, record }) };
      }
      case 'burst': {
        let reader = 0;
        const start = () =>
          reader < task.readers ? this.#application.read(reader++ % task.keys) : undefined;
        return { operations: await closedLoop({ width: task.readers, start, record }) };
      }
      case 'recorded':
        return { operations: await this.#play(task, record, tick) };
    }
  }

  #next(): Promise<unknown> {
    return this.#application.run(this.#load.next(), (post, rank) => this.#load.published(post, rank));
  }

  async #readInto(window: HitWindow): Promise<void> {
    const operation = this.#load.next();
    if (operation.kind === 'read') window.add(await this.#application.read(operation.post));
  }

  #play({ accesses, width }: Recorded, record: (ms: number) => void, onMoment: (nowMs: number) => void) {
    let at = 0;
    const start = () => {
      const post = accesses[at++];
      if (post === undefined) return undefined;
      const count = (this.#accesses.get(post) ?? 0) + 1;
      this.#accesses.set(post, count);
      return count % LIKE_EVERY === 0 ? this.#application.like(post) : this.#application.read(post);
    };
    return closedLoop({ width, start, record, onMoment });
  }

  #phaseOf(name: string): Phase {
    const known = this.#phases.get(name);
    if (known !== undefined) return known;
    const phase = new Phase();
    this.#phases.set(name, phase);
    return phase;
  }
}
