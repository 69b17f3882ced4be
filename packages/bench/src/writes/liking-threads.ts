import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ZMsg } from '@zmsg/core';
import { DONE, END, type LikingTask, READY, ROUND } from './liking-task.js';

/** Threads that like at the same time, each with its own calls in flight. */
export class LikingThreads {
  readonly #threads: Worker[];
  readonly #ended: Promise<unknown>;

  private constructor(threads: Worker[]) {
    this.#threads = threads;
    this.#ended = Promise.all(
      threads.map((thread) => new Promise((resolve) => thread.once('exit', resolve))),
    );
  }

  /** Attached to `zm`; without it, each with connections of its own. */
  static async start(count: number, task: Omit<LikingTask, 'zmsg'>, zm?: ZMsg): Promise<LikingThreads> {
    const threads = new LikingThreads(
      Array.from({ length: count }, () => {
        const link = zm?.openThread();
        const workerData: LikingTask = { ...task, ...(link && { zmsg: link.handle }) };
        return new Worker(new URL('./liking-thread.js', import.meta.url), {
          workerData,
          transferList: link?.transferList ?? [],
        });
      }),
    );
    await threads.#all(READY);
    return threads;
  }

  /** Resolves when each has done its likes. */
  async round(): Promise<void> {
    const done = this.#all(DONE);
    for (const thread of this.#threads) thread.postMessage(ROUND);
    await done;
  }

  /** Also of those that have failed and are gone already. */
  async close(): Promise<void> {
    for (const thread of this.#threads) thread.postMessage(END);
    await this.#ended;
  }

  /** @throws what a thread has failed with: `once` rejects at an error event */
  async #all(expected: number): Promise<void> {
    await Promise.all(
      this.#threads.map(async (thread) => {
        const [message] = await once(thread, 'message');
        if (message !== expected) throw new Error(`a thread says ${message} instead of ${expected}`);
      }),
    );
  }
}
