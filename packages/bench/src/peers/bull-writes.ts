import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { connectRedis } from './connect-redis.js';
import { FEEDS } from './feed-table.js';

const QUEUE = 'bench-writes';

interface Job {
  id: string;
  content: string;
}

/**
 * BullMQ alone: rows are updated by a worker in this process, several at a time. What is done is removed, what fails
 * is tried again. A connection for the queue, one for the worker, as its documentation asks for.
 */
export class BullWrites {
  readonly #queue: Queue<Job>;
  readonly #worker: Worker<Job>;
  readonly #connections: Redis[];

  constructor(redisAddr: string, pool: Pool, concurrency: number) {
    const connect = () => connectRedis(redisAddr, { maxRetriesPerRequest: null });
    this.#connections = [connect(), connect()];
    const [producer, consumer] = this.#connections as [Redis, Redis];
    this.#queue = new Queue<Job>(QUEUE, {
      connection: producer,
      defaultJobOptions: {
        attempts: 3,
        backoff: { type: 'exponential', delay: 1_000 },
        removeOnComplete: true,
      },
    });
    this.#worker = new Worker<Job>(
      QUEUE,
      async ({ data: { id, content } }) => {
        const { rowCount } = await pool.query({
          name: 'bull update',
          text: `UPDATE ${FEEDS} SET content = $2 WHERE id = $1`,
          values: [id, content],
        });
        if (rowCount !== 1) throw new Error(`${id} was not found`);
      },
      { connection: consumer, concurrency },
    );
  }

  async ready(): Promise<void> {
    await Promise.all([this.#queue.waitUntilReady(), this.#worker.waitUntilReady()]);
  }

  async add(id: string, content: string): Promise<void> {
    await this.#queue.add('update', { id, content });
  }

  /** Jobs that are not done yet. */
  async pending(): Promise<number> {
    const counts = await this.#queue.getJobCounts('waiting', 'active', 'delayed', 'failed');
    if (counts.failed) throw new Error(`${counts.failed} jobs of BullMQ have failed`);
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    await this.#worker.close();
    await this.#queue.close();
    for (const connection of this.#connections) connection.disconnect();
  }
}
