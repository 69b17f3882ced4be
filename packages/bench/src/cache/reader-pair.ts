import type { Worker } from 'node:worker_threads';
import { type ReaderTask, ROUND_THREADS } from './reader-task.js';

/** Starts a thread that does `readerRounds` with its task. */
export type StartReader = (task: ReaderTask) => Worker;

/** Two threads that read alone or together, when they are told to; they wait without using a processor. */
export class ReaderPair {
  readonly #words: Int32Array;
  readonly #threads: readonly Worker[];
  readonly #failure: Promise<never>;
  readonly #reads: number;
  #round = 0;

  /** `reads` of each thread in a round. */
  constructor(start: StartReader, { keys, reads }: { keys: number; reads: number }) {
    this.#reads = reads;
    const control = new SharedArrayBuffer(64);
    this.#words = new Int32Array(control);
    this.#threads = [0, 1].map((number) => start({ keys, control, reads, number }));
    this.#failure = new Promise((_, reject) => {
      for (const thread of this.#threads) thread.on('error', reject);
    });
    // Until somebody waits for it, it must not end the process.
    this.#failure.catch(() => {});
  }

  /** Reads per second of one thread or of both together. */
  async rate(threads: 1 | 2): Promise<number> {
    await this.#allDone();
    Atomics.store(this.#words, 1, 0);
    this.#round += ROUND_THREADS - (this.#round % ROUND_THREADS) + threads;
    const start = performance.now();
    Atomics.store(this.#words, 0, this.#round);
    Atomics.notify(this.#words, 0);
    await this.#allDone();
    return (threads * this.#reads * 1_000) / (performance.now() - start);
  }

  end(): void {
    Atomics.store(this.#words, 0, -1);
    Atomics.notify(this.#words, 0);
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
