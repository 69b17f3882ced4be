import { ClosedError } from '@zmsg/workers';
import { DelayedError, type Job, Queue, Worker } from 'bullmq';
import { QueueError } from '../error.js';
import {
  connectRedis,
  disconnectRedis,
  type RedisBehaviour,
  type RedisClient,
  type RedisEndpoint,
  settledWithin,
} from '../l2/redis-client.js';
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
import { isStoreUnavailable } from './delayed-writer.js';
import { redisDurabilityWarnings } from './redis-durability.js';
import { asError, describeFailed, type JobData, runWriteJob, type WriteTarget } from './write-job.js';

export interface BullDelayQueueOptions extends DelayQueueOptions, RedisEndpoint {
  /** Engines with one prefix share their jobs, others do not see them. */
  readonly cachePrefix: string;
  readonly writer: WriteTarget;
  /** A node that dies loses its jobs to the others after about this long, milliseconds. @default 30000 */
  readonly lockMs?: number;
}

const QUEUE_NAME = 'delay';
const MAX_BACKOFF_MS = 60_000;

/**
 * The delay queue on Redis, through BullMQ.
 *
 * Two clients, as BullMQ wants them: the producer's refuses at once when Redis is away (a waiting
 * enqueue could be sent after its caller was told that it failed), the worker's waits and resends for
 * ever. Delays are times on the clocks of the nodes: as exact as those agree, to the millisecond.
 * A write that fails because PostgreSQL is away is put back without using up an attempt.
 */
export class BullDelayQueue implements DelayQueue {
  readonly #options: Required<DelayQueueOptions> & BullDelayQueueOptions;
  readonly #producer: RedisClient;
  readonly #consumer: RedisClient;
  readonly #prefix: string;
  readonly #worker: Worker<JobData>;
  #queue: Queue<JobData> | undefined;
  #warnings: string[] = ['Redis has not been reached yet: its durability settings are not known'];
  #closing: Promise<void> | undefined;

  private constructor(options: BullDelayQueueOptions) {
    this.#options = { ...DELAY_DEFAULTS, ...options };
    this.#prefix = redisKeyPrefix(options.cachePrefix);
    const { enqueueTimeoutMs, concurrency } = this.#options;
    this.#producer = this.#connect({ whenAway: 'refuse', commandTimeoutMs: enqueueTimeoutMs });
    this.#consumer = this.#connect({ whenAway: 'wait' });
    this.#producer.on('ready', () => void this.#checkDurability());
    const lockMs = options.lockMs ?? 30_000;
    this.#worker = new Worker<JobData>(QUEUE_NAME, (job, token) => this.#run(job, token), {
      connection: this.#consumer,
      prefix: this.#prefix,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs,
      // A node that dies again and again is no fault of the job: it must not end as failed soon.
      maxStalledCount: 100,
      runRetryDelay: 1000,
      removeOnComplete: { count: 0 },
    });
    this.#worker.on('error', (error) => this.#options.onEvent({ type: 'delay:backend:failed', error }));
    this.#worker.on('failed', (job, error) => {
      const attempt = job?.attemptsMade ?? 0;
      const final = job === undefined || job.finishedOn !== undefined;
      this.#options.onEvent({ type: 'delay:job:failed', id: job?.id ?? '', attempt, final, error });
    });
  }

  /** Waits for Redis up to `enqueueTimeoutMs`; does not fail when it is away. */
  static async open(options: BullDelayQueueOptions): Promise<BullDelayQueue> {
    const queue = new BullDelayQueue(options);
    if (await queue.#waitForProducer()) await queue.#checkDurability();
    else queue.#warn(queue.#warnings);
    return queue;
  }

  async enqueue(write: DelayedWrite, delayMs: number): Promise<void> {
    const data: JobData = { write: encodeDelayedWrite(write) };
    const { attempts, backoffMs } = this.#options;
    await this.#ask('the delayed write was not taken', async (queue) => {
      await queue.add('write', data, {
        jobId: write.operationId,
        delay: boundedDelayMs(delayMs),
        attempts,
        backoff: { type: 'exponential', delay: backoffMs },
        removeOnComplete: true,
        removeOnFail: false,
        stackTraceLimit: 1,
      });
    });
  }

  failed({ limit = 100, offset = 0 }: FailedOptions = {}): Promise<FailedWrite[]> {
    return this.#ask('failed writes cannot be listed', async (queue) => {
      const jobs = await queue.getJobs(['failed'], offset, offset + Math.min(Math.max(limit, 1), 1000) - 1);
      return jobs.map((job) =>
        describeFailed(job.data, {
          id: job.id ?? '',
          error: job.failedReason,
          attempts: job.attemptsMade,
          failedAtMs: job.finishedOn ?? 0,
        }),
      );
    });
  }

  retryFailed(id: string): Promise<void> {
    return this.#ask(`the failed write ${id} was not retried`, async (queue) => {
      await (await failedJob(queue, id)).retry('failed');
    });
  }

  discardFailed(id: string): Promise<void> {
    return this.#ask(`the failed write ${id} was not discarded`, async (queue) => {
      await (await failedJob(queue, id)).remove();
    });
  }

  stats(): Promise<DelayQueueStats> {
    return this.#ask('the queue cannot be counted', async (queue) => {
      const counts = await queue.getJobCounts('waiting', 'delayed', 'active', 'failed');
      const { waiting = 0, delayed = 0, active = 0, failed = 0 } = counts;
      return { waiting, delayed, active, failed };
    });
  }

  warnings(): string[] {
    return [...this.#warnings];
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { closeTimeoutMs } = this.#options;
    const away = this.#consumer.status !== 'ready';
    if (!(await settledWithin(this.#worker.close(away), closeTimeoutMs))) {
      // Jobs in hand keep their lock until it expires; then another node runs them.
      stopTimers(this.#worker);
      await settledWithin(this.#worker.disconnect(), 1000);
    }
    if (this.#queue !== undefined) await settledWithin(this.#queue.close(), 1000);
    await Promise.all([disconnectRedis(this.#producer, 1000), disconnectRedis(this.#consumer, 1000)]);
  }

  async #run(job: Job<JobData>, token: string | undefined): Promise<void> {
    try {
      await runWriteJob(job.data, this.#options.writer, this.#options.onEvent);
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      const cause = asError(error);
      this.#options.onEvent({
        type: 'delay:job:failed',
        id: job.id ?? '',
        attempt: job.attemptsMade + 1,
        final: false,
        error: cause,
      });
      const waitMs = Math.min(
        this.#options.backoffMs * 2 ** Math.min(job.attemptsStarted - 1, 16),
        MAX_BACKOFF_MS,
      );
      await job.moveToDelayed(Date.now() + waitMs, token);
      throw new DelayedError(cause.message);
    }
  }

  /** One bounded question to Redis. @throws QueueError, ClosedError */
  async #ask<T>(what: string, body: (queue: Queue<JobData>) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ClosedError('the delay queue is closed');
    if (!(await this.#waitForProducer())) throw new QueueError(`${what}: Redis is away`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const { enqueueTimeoutMs } = this.#options;
      timer = setTimeout(
        () => reject(new Error(`no answer within ${enqueueTimeoutMs} ms`)),
        enqueueTimeoutMs,
      );
    });
    try {
      const queue = await Promise.race([this.#readyQueue(), late]);
      return await Promise.race([body(queue), late]);
    } catch (error) {
      throw new QueueError(`${what}: ${asError(error).message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** BullMQ's queue never recovers from a connection that breaks in its first question: then a new one. */
  async #readyQueue(): Promise<Queue<JobData>> {
    let queue = this.#queue;
    if (queue === undefined) {
      queue = new Queue<JobData>(QUEUE_NAME, { connection: this.#producer, prefix: this.#prefix });
      queue.on('error', (error) => this.#options.onEvent({ type: 'delay:backend:failed', error }));
      this.#queue = queue;
    }
    try {
      await queue.waitUntilReady();
      return queue;
    } catch (error) {
      if (this.#queue === queue) this.#queue = undefined;
      await settledWithin(queue.close(), 1000);
      throw error;
    }
  }

  async #waitForProducer(): Promise<boolean> {
    if (this.#producer.status === 'ready') return true;
    let onReady = () => {};
    const ready = new Promise<void>((resolve) => {
      onReady = resolve;
      this.#producer.once('ready', onReady);
    });
    const inTime = await settledWithin(ready, this.#options.enqueueTimeoutMs);
    this.#producer.off('ready', onReady);
    return inTime;
  }

  async #checkDurability(): Promise<void> {
    let warnings: string[];
    try {
      warnings = await redisDurabilityWarnings(this.#producer);
    } catch (error) {
      warnings = [`the durability settings of Redis could not be read: ${asError(error).message}`];
    }
    if (warnings.join() !== this.#warnings.join()) this.#warn(warnings);
  }

  #warn(reasons: string[]): void {
    this.#warnings = reasons;
    if (reasons.length > 0) this.#options.onEvent({ type: 'delay:durability:doubtful', reasons });
  }

  #connect(behaviour: Pick<RedisBehaviour, 'whenAway' | 'commandTimeoutMs'>): RedisClient {
    return connectRedis(this.#options, {
      connectionName: 'zmsg-delay',
      connectTimeoutMs: 5000,
      // Longer than the 10 s that BullMQ blocks for a job.
      socketTimeoutMs: 30_000,
      disconnectTimeoutMs: 500,
      autoPipelining: false,
      onError: (error) => this.#options.onEvent({ type: 'delay:backend:failed', error }),
      ...behaviour,
    });
  }
}

/** All keys of the queue in one hash slot of a cluster. Braces of the cache prefix would end the tag early. */
function redisKeyPrefix(cachePrefix: string): string {
  return `{${cachePrefix.replaceAll('{', '%7B').replaceAll('}', '%7D')}}`;
}

/**
 * BullMQ stops renewing locks and looking for stalled jobs at the end of its `close`. That may never come, with a job
 * that hangs or a cluster that lost all its servers; then the timers would keep the process alive.
 */
function stopTimers(worker: Worker): void {
  const { lockManager, stalledCheckStopper } = worker as unknown as WorkerTimers;
  void lockManager?.close().catch(() => {}); // the locks end by themselves
  stalledCheckStopper?.();
}

interface WorkerTimers {
  readonly lockManager?: { close(): Promise<void> };
  readonly stalledCheckStopper?: () => void;
}

async function failedJob(queue: Queue<JobData>, id: string): Promise<Job<JobData>> {
  const job = await queue.getJob(id);
  if (job === undefined || !(await job.isFailed())) throw new Error('no failed job has this id');
  return job;
}
