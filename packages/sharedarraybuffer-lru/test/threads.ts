import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { SharedCacheHandle } from '../dist/index.js';

/** Starts a thread with a job of cache-thread.mjs. */
export function startThread(job: string, handle: SharedCacheHandle, options: object): Worker {
  return new Worker(new URL('./cache-thread.mjs', import.meta.url), { workerData: { job, handle, options } });
}

/** What the job returned; rejects with what it threw. */
export async function resultOf(worker: Worker): Promise<unknown> {
  const [message] = (await once(worker, 'message')) as [{ result: unknown }];
  return message.result;
}

/** Of what threads do in this run; `SHARED_LRU_SEED` gives that of an earlier one. */
export function newSeed(): number {
  return Number(process.env.SHARED_LRU_SEED ?? Math.floor(Math.random() * 2 ** 31));
}

/** The seed replays what each thread does, not the moments at which they meet. */
export async function seeded<T>(seed: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new Error(`${(cause as Error).message} (again: SHARED_LRU_SEED=${seed})`, { cause });
  }
}

/** Where a thread stops: the first cell lets it go on, the second says that it has stopped. */
export function newGate(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

export function openGate(gate: Int32Array): void {
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
}

/** The event loop must run for the thread to start, so no blocking wait. */
export async function stoppedAt(gate: Int32Array): Promise<void> {
  const waiting = Atomics.waitAsync(gate, 1, 0, 10_000);
  const outcome = await waiting.value;
  if (outcome === 'timed-out') throw new Error('the thread did not reach its failpoint');
}
