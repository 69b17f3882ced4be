import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type * as core from '../dist/index.js';

type Body<A, R> = (
  zm: core.ZMsg,
  argument: A,
  all: typeof core,
  load: (url: string) => Promise<unknown>,
) => R | Promise<R>;

/** A worker thread with an engine attached. */
export class AttachedWorker {
  readonly worker: Worker;
  threadId = -1;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  private constructor(owner: core.ZMsg) {
    const { handle, transferList } = owner.openThread();
    this.worker = new Worker(new URL('./attach-thread.mjs', import.meta.url), {
      workerData: { zmsg: handle },
      transferList,
    });
    this.worker.on('message', ({ id, value, failure }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failure === undefined) waiting?.resolve(value as never);
      else waiting?.reject(new Error(failure));
    });
    onTestFinished(() => void this.worker.terminate());
  }

  static async start(owner: core.ZMsg): Promise<AttachedWorker> {
    const thread = new AttachedWorker(owner);
    thread.threadId = await thread.#answer<number>(0);
    return thread;
  }

  /** Runs `body` there; it sees its arguments and nothing else. */
  run<A, R>(body: Body<A, R>, argument?: A): Promise<R> {
    const id = ++this.#lastId;
    this.worker.postMessage({ id, source: body.toString(), argument });
    return this.#answer<R>(id);
  }

  async terminate(): Promise<void> {
    const exit = once(this.worker, 'exit');
    await this.worker.terminate();
    await exit.catch(() => {});
  }

  #answer<R>(id: number): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.worker.once('error', reject);
    });
  }
}
