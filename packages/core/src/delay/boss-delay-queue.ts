import { ClosedError } from '@zmsg/workers';
import PgBoss from 'pg-boss';
import { QueueError } from '../error.js';
import { settledWithin } from '../l2/redis-client.js';
import { BossConnection } from './boss-connection.js';
import {
  boundedDelayMs,
  DELAY_DEFAULTS,
  type DelayQueue,
  type DelayQueueOptions,
  type DelayQueueStats,
  type FailedOptions,
  type FailedWrite,
} from './delay-queue.js';
import { type DelayedWrite, encodeDelayedWrite } from './delayed-write.js';
import { asError, describeFailed, type JobData, runWriteJob, type WriteTarget } from './write-job.js';

export interface BossDelayQueueOptions extends DelayQueueOptions {
  readonly connectionString: string;
  readonly writer: WriteTarget;
  /** Schema of pg-boss' tables, created when missing. @default zmsg_boss */
  readonly schema?: string;
  /** Connections at one time. @default 2 */
  readonly maxConnections?: number;
  /** Wait between two looks for due jobs, milliseconds: a write happens up to this much late. @default 500 */
  readonly pollMs?: number;
  /**
   * A job whose node died is given to another after this long and up to once more that, milliseconds,
   * at least 1000; the jobs of a node that lives stay its own, however long they take. @default 30000
   */
  readonly lockMs?: number;
}

const QUEUE_NAME = 'writes';
const DEADLOCK_DETECTED = '40P01';
const CREATE_ATTEMPTS = 5;
const KEEP_SECONDS = 10 * 365 * 86_400;

/**
 * The delay queue on PostgreSQL, through pg-boss: as durable as the data itself.
 *
 * Delays are counted by PostgreSQL's clock to the millisecond, and found by polling. The backoff of
 * retries has whole seconds (rounded up, at least 1) and pg-boss' jitter (half to all of it).
 *
 * The loop here stands for pg-boss' `work()`, which (10.4) does not await its own `complete()`: a
 * database that goes away in that moment ends the process by an unhandled rejection. Applied jobs are
 * deleted at once instead of archived: zmsg_operations is the record.
 */
export class BossDelayQueue implements DelayQueue {
  readonly #options: Required<DelayQueueOptions> & BossDelayQueueOptions;
  readonly #schema: string;
  readonly #connection: BossConnection;
  readonly #boss: PgBoss;
  readonly #active = new Set<Promise<void>>();
  #wake = () => {};
  #loop: Promise<void> = Promise.resolve();
  readonly #renewing: NodeJS.Timeout;
  readonly #inHand = new Set<string>();
  #closing: Promise<void> | undefined;

  private constructor(options: BossDelayQueueOptions) {
    this.#options = { ...DELAY_DEFAULTS, ...options };
    this.#schema = options.schema ?? 'zmsg_boss';
    const onError = (error: Error) => this.#report(error);
    const { enqueueTimeoutMs } = this.#options;
    const { connectionString, maxConnections = 2 } = options;
    this.#connection = new BossConnection(connectionString, maxConnections, enqueueTimeoutMs, onError);
    const lockSeconds = Math.ceil(Math.max(options.lockMs ?? 30_000, 1000) / 1000);
    this.#renewing = setInterval(() => void this.#renew(), (lockSeconds * 1000) / 3).unref();
    this.#boss = new PgBoss({
      db: this.#connection,
      schema: this.#schema,
      schedule: false,
      maintenanceIntervalSeconds: lockSeconds,
      expireInSeconds: lockSeconds,
      // pg-boss archives failed jobs after 12 hours, and drops waiting ones 14 days after their time.
      archiveFailedAfterSeconds: KEEP_SECONDS,
      retentionDays: KEEP_SECONDS / 86_400,
      retryLimit: this.#options.attempts - 1,
      retryDelay: Math.ceil(this.#options.backoffMs / 1000),
      retryBackoff: true,
    });
    this.#boss.on('error', onError);
  }

  /** @throws QueueError when PostgreSQL is away */
  static async open(options: BossDelayQueueOptions): Promise<BossDelayQueue> {
    const queue = new BossDelayQueue(options);
    try {
      await queue.#boss.start();
      await queue.#createQueue();
    } catch (error) {
      await queue.close();
      throw new QueueError(`the delay queue did not open: ${asError(error).message}`, { cause: error });
    }
    queue.#loop = queue.#poll();
    return queue;
  }

  /** Two nodes that create the queue at one time deadlock in pg-boss' own function; one of them wins. */
  async #createQueue(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#boss.createQueue(QUEUE_NAME);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== DEADLOCK_DETECTED || attempt === CREATE_ATTEMPTS) throw error;
      }
    }
  }

  async enqueue(write: DelayedWrite, delayMs: number): Promise<void> {
    const data: JobData = { write: encodeDelayedWrite(write) };
    const id = write.operationId;
    await this.#ask('the delayed write was not taken', async () => {
      const startAfter = boundedDelayMs(delayMs) / 1000;
      const taken = await this.#boss.send(QUEUE_NAME, data, { id, startAfter });
      // Null is both "this id is there already" and "there is no such queue".
      if (taken === null && (await this.#boss.getJobById(QUEUE_NAME, id)) === null) {
        throw new Error('pg-boss did not insert the job');
      }
    });
  }

  failed({ limit = 100, offset = 0 }: FailedOptions = {}): Promise<FailedWrite[]> {
    return this.#ask('failed writes cannot be listed', async () => {
      const { rows } = await this.#connection.executeSql(
        `SELECT id, data, output, retry_count, completed_on FROM ${this.#schema}.job
         WHERE name = $1 AND state = 'failed' ORDER BY completed_on DESC, id LIMIT $2 OFFSET $3`,
        [QUEUE_NAME, Math.min(Math.max(limit, 1), 1000), offset],
      );
      return rows.map(({ id, data, output, retry_count, completed_on }) =>
        describeFailed(data, {
          id: String(id),
          error: errorText(output),
          attempts: Number(retry_count) + 1,
          failedAtMs: (completed_on as Date).getTime(),
        }),
      );
    });
  }

  retryFailed(id: string): Promise<void> {
    return this.#ask(`the failed write ${id} was not retried`, async () => {
      await this.#assertFailed(id);
      await this.#boss.retry(QUEUE_NAME, id);
      this.#wake();
    });
  }

  discardFailed(id: string): Promise<void> {
    return this.#ask(`the failed write ${id} was not discarded`, async () => {
      await this.#assertFailed(id);
      await this.#boss.deleteJob(QUEUE_NAME, id);
    });
  }

  stats(): Promise<DelayQueueStats> {
    return this.#ask('the queue cannot be counted', async () => {
      const { rows } = await this.#connection.executeSql(
        `SELECT count(*) FILTER (WHERE state < 'active' AND start_after <= now()) AS waiting,
                count(*) FILTER (WHERE state < 'active' AND start_after > now()) AS delayed,
                count(*) FILTER (WHERE state = 'active') AS active,
                count(*) FILTER (WHERE state = 'failed') AS failed
         FROM ${this.#schema}.job WHERE name = $1`,
        [QUEUE_NAME],
      );
      const count = (name: string) => Number(rows[0]?.[name] ?? 0);
      return {
        waiting: count('waiting'),
        delayed: count('delayed'),
        active: count('active'),
        failed: count('failed'),
      };
    });
  }

  warnings(): string[] {
    return [];
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.#options;
    this.#wake();
    // `#loop` ends after its last fetch; jobs it fetched are in `#active` by then.
    const drained = this.#loop.then(() => Promise.all(this.#active));
    await settledWithin(drained, closeTimeoutMs);
    clearInterval(this.#renewing);
    await settledWithin(this.#boss.stop({ graceful: false, close: false }), 1000);
    await settledWithin(this.#connection.close(), closeTimeoutMs);
  }

  async #poll(): Promise<void> {
    const { concurrency, pollMs = 500 } = this.#options;
    while (this.#closing === undefined) {
      const room = concurrency - this.#active.size;
      let taken = 0;
      if (room > 0) {
        // pg-boss answers with no jobs when its query fails.
        const fetching = { batchSize: room, includeMetadata: true } as const;
        const jobs = await this.#boss.fetch<JobData>(QUEUE_NAME, fetching);
        taken = jobs.length;
        for (const job of jobs) this.#start(job);
      }
      if (taken > 0 && taken === room) continue; // there may be more, once there is room
      await this.#pause(pollMs);
    }
  }

  #start(job: PgBoss.JobWithMetadata<JobData>): void {
    this.#inHand.add(job.id);
    const running = this.#run(job).finally(() => {
      this.#inHand.delete(job.id);
      this.#active.delete(running);
      this.#wake();
    });
    this.#active.add(running);
  }

  /** Never rejects. A job that could not be settled stays active until its lock expires, and comes again. */
  async #run(job: PgBoss.JobWithMetadata<JobData>): Promise<void> {
    try {
      await runWriteJob(job.data, this.#options.writer, this.#options.onEvent);
    } catch (thrown) {
      const error = asError(thrown);
      const final = job.retryCount >= job.retryLimit;
      const attempt = job.retryCount + 1;
      this.#options.onEvent({ type: 'delay:job:failed', id: job.id, attempt, final, error });
      await this.#boss.fail(QUEUE_NAME, job.id, { message: error.message }).catch(this.#report);
      return;
    }
    await this.#boss.deleteJob(QUEUE_NAME, job.id).catch(this.#report);
  }

  /** pg-boss counts from the start of a job, and knows no sign of life. Never rejects. */
  async #renew(): Promise<void> {
    if (this.#inHand.size === 0) return;
    try {
      await this.#connection.executeSql(
        `UPDATE ${this.#schema}.job SET started_on = now()
         WHERE name = $1 AND id = ANY ($2::uuid[]) AND state = 'active'`,
        [QUEUE_NAME, [...this.#inHand]],
      );
    } catch (error) {
      this.#report(error); // at worst another node runs them, too; they are applied once
    }
  }

  readonly #report = (thrown: unknown): void => {
    this.#options.onEvent({ type: 'delay:backend:failed', error: asError(thrown) });
  };

  async #assertFailed(id: string): Promise<void> {
    const job = await this.#boss.getJobById(QUEUE_NAME, id);
    if (job?.state !== 'failed') throw new Error('no failed job has this id');
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** @throws QueueError, ClosedError; bounded by the connection's time-outs */
  async #ask<T>(what: string, body: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ClosedError('the delay queue is closed');
    try {
      return await body();
    } catch (error) {
      throw new QueueError(`${what}: ${asError(error).message}`, { cause: error });
    }
  }
}

function errorText(output: unknown): string {
  const { message, value } = (output ?? {}) as { message?: string; value?: { message?: string } };
  return message ?? value?.message ?? 'unknown';
}
