import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';
import type { AttachedShards, AttachHandle, ProducerLink, Shards } from '../dist/index.js';
import type { like, put, readLikes, tag } from './shard-fixture.js';

/** What the function of a thread is called with. It runs from its text: nothing around it is there. */
export interface Inside<Data> {
  shards: AttachedShards;
  like: typeof like;
  tag: typeof tag;
  put: typeof put;
  readLikes: typeof readLikes;
  data: Data;
  handle: AttachHandle;
  post: (message: unknown) => void;
}

export interface ProducerThread<Result> {
  link: ProducerLink;
  worker: Worker;
  /** What the function returned; rejects if the thread ended without. */
  result: Promise<Result>;
  /** The next message that it posted. */
  message(): Promise<unknown>;
}

/** A thread that writes to `shards`. It ends when the function has returned and nothing keeps it. */
export function startProducer<Data, Result>(
  shards: Shards,
  data: Data,
  body: (inside: Inside<Data>) => Promise<Result>,
): ProducerThread<Result> {
  const link = shards.openProducer();
  const worker = new Worker(new URL('./producer-thread.mjs', import.meta.url), {
    workerData: { handle: link.handle, body: body.toString(), data },
    transferList: [...link.transferList],
  });
  onTestFinished(async () => void (await worker.terminate()));
  const posted: unknown[] = [];
  let onPosted = () => {};
  const result = new Promise<Result>((resolve, reject) => {
    worker.on('message', (message) => {
      if (typeof message === 'object' && message !== null && 'result' in message) {
        resolve(message.result as Result);
        return;
      }
      posted.push(message);
      onPosted();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new Error(`the thread ended with ${code} before its function did`)));
  });
  result.catch(() => {}); // a test may end it on purpose
  return {
    link,
    worker,
    result,
    async message() {
      while (posted.length === 0) {
        await new Promise<void>((resolve) => {
          onPosted = resolve;
        });
      }
      return posted.shift();
    },
  };
}
