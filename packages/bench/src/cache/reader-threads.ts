import type { Worker } from 'node:worker_threads';
import { type ReaderTask, ROUND_THREADS } from './reader-task.js';

/** Starts a thread that does `readerRounds` with its task. */
export type StartReader = (task: ReaderTask) => Worker;

export interface ReaderThreadsOptions {
  /** Fewer than `ROUND_THREADS`. */
  count: number;
  keys: number;
  /** Of each thread in a round. */
  reads: number;
}

/** Threads of which so many read together as they are told to; they wait without using a processor. */
export class ReaderThreads {
  readonly #words: Int32Array;
  readonly #threads: readonly Worker[];
  readonly #failure: Promise<never>;
  readonly #ended: Promise<unknown>;
  readonly #reads: number;
  #round = 0;

  constructor(start: StartReader, { count, keys, reads }: ReaderThreadsOptions) {
    this.#reads = reads;
    const control = new SharedArrayBuffer(64);
    this.#words = new Int32Array(control);
    this.#threads = Array.from({ length: count }, (_, number) => start({ keys, control, reads, number }));
    this.#failure = new Promise((_, reject) => {
      for (const thread of this.#threads) thread.on('error', reject);
    });
    // Until somebody waits for it, it must not end the process.
    this.#failure.catch(() => {});
    this.#ended = Promise.all(
      this.#threads.map((thread) => new Promise((resolve) => thread.on('exit', resolve))),
    );
  }

  /** Reads per second of so many of the threads together. @throws what one has failed with */
  async rate(threads: number): Promise<number> {
    await this.#allDone();
    Atomics.store(this.#words, 1, 0);
    this.#round += ROUND_THREADS - (this.#round % ROUND_THREADS) + threads;
    const start = performance.now();
    Atomics.store(this.#words, 0, this.#round);
    Atomics.notify(this.#words, 0);
    await this.#allDone();
    return (threads * this.#reads * 1_000) / (performance.now() - start);
  }

  /** Resolves when all are gone: none is there any more in what is measured next. */
  async end(): Promise<void> {
    Atomics.store(this.#words, 0, -1);
    Atomics.notify(this.#words, 0);
    await this.#ended;
  }

  async #allDone(): Promise<void> {
    for (;;) {
      const done = Atomics.load(this.#words, 1);
      if (done >= this.#threads.length) return;
      const wait = Atomics.waitAsync(this.#words, 1, done, 1_000);
      if (wait.async) await Promise.race([wait.value, this.#failure]);
    }
  }
}
