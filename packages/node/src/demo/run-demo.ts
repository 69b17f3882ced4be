import { sql, ZMsg } from '@zmsg/core';
import { type CheckLine, check, type Query } from './check.js';
import { DEFAULT_SECONDS, type DemoOptions } from './demo-options.js';
import { Driver } from './driver.js';
import { Feed } from './feed.js';
import { formatCount, formatSeconds } from './figures.js';
import { Interrupt } from './interrupt.js';
import { Ledger } from './ledger.js';
import { OwnConnection } from './own-connection.js';
import type { Progress } from './progress.js';
import { Random } from './random.js';
import { collectResults, type Results } from './results.js';
import { Sampler } from './sampler.js';
import { CREATE_TABLES } from './schema.js';
import { ScratchDir } from './scratch-dir.js';
import { Tally } from './tally.js';
import { TraceLoad } from './trace-load.js';
import { ZipfLoad } from './zipf-load.js';

/** Failed operations at which a run ends early: more of them say nothing new. */
const MAX_FAILURES = 1_000;

/**
 * A run from an empty feed to the results of the check.
 *
 * ```
 * open → tables → posts → load ──time is up, end of the trace, Ctrl-C──▶ flush → check → close
 * ```
 *
 * @throws Error when the engine cannot be opened, the trace cannot be read, or the flush fails
 */
export async function runDemo(options: DemoOptions, progress: Progress): Promise<Results> {
  let stop = () => {};
  const interrupt = new Interrupt(() => stop());
  const scratch = options.dataDir === undefined ? new ScratchDir() : undefined;
  let own: OwnConnection | undefined;
  let zm: ZMsg | undefined;
  try {
    progress.phase(options.postgres === undefined ? 'starting the embedded PostgreSQL …' : 'connecting …');
    if (options.postgres !== undefined) own = await OwnConnection.open(options.postgres);
    zm = await ZMsg.open({
      postgresDsn: options.postgres,
      redisAddr: options.redis,
      dataDir: options.dataDir ?? scratch?.path,
      // Ids are fresh in each run, so nothing that an earlier run left in Redis is ever found.
      cachePrefix: 'zmsg-demo:',
      defaultTtl: '10m',
      logLevel: 'error',
      logFormat: 'text',
    });
    const run = new Run(zm, options, progress, interrupt);
    stop = () => run.stop();
    const query = own?.query ?? queryThrough(zm);
    const results = await run.execute(query);
    progress.phase('closing …');
    await zm.close();
    return results;
  } finally {
    progress.end();
    // After a failure: that is what the caller must hear of, not of what closing adds to it.
    await zm?.close().catch(() => {});
    await own?.close();
    interrupt.dispose();
    scratch?.remove();
  }
}

/** The embedded PostgreSQL takes no connections from outside the engine; these statements go straight to it. */
function queryThrough(zm: ZMsg): Query {
  return (task) => zm.query(task);
}

class Run {
  readonly #zm: ZMsg;
  readonly #options: DemoOptions;
  readonly #progress: Progress;
  readonly #interrupt: Interrupt;
  readonly #ledger = new Ledger();
  readonly #tally = new Tally();
  readonly #feed: Feed;
  readonly #driver: Driver;
  #stopped = false;

  constructor(zm: ZMsg, options: DemoOptions, progress: Progress, interrupt: Interrupt) {
    this.#zm = zm;
    this.#options = options;
    this.#progress = progress;
    this.#interrupt = interrupt;
    this.#feed = new Feed(zm, this.#ledger, this.#tally);
    this.#driver = new Driver(options.concurrency);
    this.#stopped = interrupt.requested;
  }

  /** No operation starts any more. */
  stop(): void {
    this.#stopped = true;
  }

  async execute(query: Query): Promise<Results> {
    const { trace, posts, users } = this.#options;
    // What an interrupted run has left in the log belongs to its own tables.
    await this.#zm.flush();
    for (const statement of CREATE_TABLES) await this.#zm.exec(sql(statement));
    this.#zm.loader('feed_', { table: 'zmsg_demo_posts', key: 'id', columns: ['author', 'content'] });
    this.#feed.addUsers(users);
    if (trace === undefined) {
      this.#progress.phase(`inserting ${formatCount(posts)} posts …`);
      await this.#feed.insertPosts(posts);
    }

    const durationMs = await this.#load();

    this.#progress.phase('flushing …');
    const flushStartedAt = performance.now();
    await this.#zm.flush();
    const lastFlushMs = performance.now() - flushStartedAt;
    const stats = this.#zm.stats();

    this.#progress.phase(`checking ${formatCount(this.#ledger.posts)} posts …`);
    const lines: CheckLine[] = await check(this.#ledger, this.#tally, query);
    const facts = {
      durationMs,
      lastFlushMs,
      interrupted: this.#interrupt.requested,
      insertedPosts: this.#ledger.posts - this.#tally.done.post,
      check: lines,
    };
    return collectResults(facts, this.#tally, stats);
  }

  /** Resolves with the time from the first operation to the end of the last, milliseconds. */
  async #load(): Promise<number> {
    const { trace, seconds = trace === undefined ? DEFAULT_SECONDS : undefined } = this.#options;
    const totalMs = seconds === undefined ? undefined : seconds * 1000;
    const sampler = new Sampler(this.#zm, this.#tally, this.#driver, totalMs);
    const ticker = setInterval(() => this.#progress.show(sampler.take()), this.#progress.intervalMs);
    const deadline = totalMs === undefined ? undefined : setTimeout(() => this.stop(), totalMs);
    const startedAt = performance.now();
    try {
      if (trace === undefined) await this.#generate();
      else await this.#replay(trace);
      await this.#driver.idle();
      return performance.now() - startedAt;
    } finally {
      clearInterval(ticker);
      clearTimeout(deadline);
    }
  }

  async #generate(): Promise<void> {
    const { posts, users, skew, seed } = this.#options;
    const load = new ZipfLoad(this.#feed, { posts, users, skew, random: new Random(seed) });
    await this.#driver.run(() => (this.#isOver() ? undefined : load.next()));
  }

  async #replay(file: string): Promise<void> {
    const load = new TraceLoad(this.#feed, file);
    const blocks = load.blocks();
    // The posts of the next block are made while this one is replayed.
    let next = blocks.next();
    try {
      for (;;) {
        const { done, value: posts } = await next;
        if (done === true || this.#isOver()) return;
        next = blocks.next();
        // Its failure is met above, when this block is through.
        next.catch(() => {});
        let at = 0;
        await this.#driver.run(() => {
          if (at === posts.length || this.#isOver()) return undefined;
          at += 1;
          return load.access(posts[at - 1] as number);
        });
      }
    } finally {
      await blocks.return();
    }
  }

  #isOver(): boolean {
    return this.#stopped || this.#tally.failures > MAX_FAILURES;
  }
}

/** What is about to run, as lines for people. Says nothing that a DSN keeps secret. */
export function describeRun(options: DemoOptions): string[][] {
  const { trace, seconds, posts, users, skew, seed, concurrency } = options;
  const feed =
    trace === undefined
      ? `${formatCount(posts)} posts, ${formatCount(users)} users, Zipf ${skew}, seed ${seed}`
      : `trace ${trace}: each access a read, every 10th of a key a like`;
  const duration =
    seconds === undefined && trace !== undefined
      ? 'until the trace ends'
      : formatSeconds((seconds ?? DEFAULT_SECONDS) * 1000);
  return [
    ['PostgreSQL', options.postgres === undefined ? 'embedded (PGlite)' : placeOf(options.postgres)],
    ['Redis (L2)', options.redis === undefined ? 'none' : placeOf(options.redis)],
    ['feed', feed],
    ['load', `${duration}, ${formatCount(concurrency)} requests in flight; Ctrl-C ends it early`],
  ];
}

/** Host, port and path of an address; never the user and password. */
function placeOf(address: string): string {
  if (!URL.canParse(address)) return address.includes('@') ? 'as given' : address;
  const { host, pathname, protocol } = new URL(address);
  // `localhost:6379` parses as a URL of the scheme "localhost:".
  return host === '' ? (address.includes('@') ? `${protocol}…` : address) : `${host}${pathname}`;
}
