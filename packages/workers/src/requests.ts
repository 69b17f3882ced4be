import type { MessagePort } from 'node:worker_threads';
import { type Reply, storeError } from './codec/reply.js';
import type { Lane } from './lane.js';

interface Request {
  lane: Lane;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** Reads and flushes that a producer waits for, by the id that their replies carry. */
export class Requests {
  readonly #requests = new Map<number, Request>();
  readonly #ports: MessagePort[];
  readonly #onSettled: () => void;
  #lastId = 0;

  /** @param onSettled called after each reply: there may be nothing to wait for any more. */
  constructor(ports: readonly MessagePort[], onSettled: () => void) {
    this.#ports = [...ports];
    this.#onSettled = onSettled;
    for (const port of ports) this.#listen(port);
  }

  get size(): number {
    return this.#requests.size;
  }

  nextId(): number {
    this.#lastId = (this.#lastId + 1) >>> 0;
    return this.#lastId;
  }

  /** Settles with the reply, or rejects with the signal's reason; then the reply is ignored. */
  add(id: number, lane: Lane, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#requests.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settled = <T>(settle: (value: T) => void) => {
        return (value: T) => {
          signal?.removeEventListener('abort', onAbort);
          settle(value);
        };
      };
      this.#requests.set(id, { lane, resolve: settled(resolve), reject: settled(reject) });
    });
  }

  /** The lane's shard will answer nothing any more. */
  fail(lane: Lane, error: Error): void {
    for (const [id, request] of this.#requests) {
      if (request.lane !== lane) continue;
      this.#requests.delete(id);
      request.reject(error);
    }
  }

  /** From now on the lane's shard answers over this port; what the one before was asked rejects. */
  replace(lane: Lane, port: MessagePort, error: Error): void {
    this.#ports[lane.shard]?.close();
    this.#ports[lane.shard] = port;
    this.#listen(port);
    this.fail(lane, error);
  }

  close(): void {
    for (const port of this.#ports) port.close();
  }

  #listen(port: MessagePort): void {
    port.on('message', this.#onReply);
    port.unref();
  }

  readonly #onReply = (reply: Reply): void => {
    const request = this.#requests.get(reply.requestId);
    if (request === undefined) return; // aborted meanwhile
    this.#requests.delete(reply.requestId);
    if (reply.error === undefined) request.resolve(reply.value);
    else request.reject(storeError(reply.error));
    this.#onSettled();
  };
}
