import type { MessagePort } from 'node:worker_threads';
import { InvalidValueError } from '@zmsg/workers';
import type { WaitOptions } from '../store/store.js';
import { decodeError, type EncodedError, encodeError } from './error-codec.js';
import { decodeMessage, encodeMessage } from './message-codec.js';

/** What one side of a port runs for the other. The signal is there if the caller gave one. */
export type Handlers = Record<string, (signal: AbortSignal | undefined, ...args: never[]) => unknown>;

type Arguments<F> = F extends (signal: AbortSignal | undefined, ...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;

export interface CallPortOptions<Local extends Handlers> {
  /** What the other side may call. */
  local: Local;
  /** Calls that the other side has not answered yet, at most; further ones wait here. */
  maxInFlight: number;
  /** Whether a call that waits for its answer keeps the event loop of this thread alive. */
  keepsAlive: boolean;
  /** Once: the port was closed, by either side or with the other thread. What waits rejects with what this returns. */
  onClose: () => Error;
}

type Frame =
  | readonly [kind: 'call', id: number, method: string, args: readonly unknown[], hasSignal: boolean]
  /** A call that nothing answers. */
  | readonly [kind: 'note', method: string, args: readonly unknown[]]
  | readonly [kind: 'abort', id: number, reason: EncodedError]
  | readonly [kind: 'result', id: number, value: unknown]
  | readonly [kind: 'failure', id: number, error: EncodedError];

interface Waiting {
  frame: Frame;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/** Frames in one message, at most: their size is not known before. */
const MAX_FRAMES = 256;

/**
 * One end of a `MessagePort` over which both sides call each other:
 *
 * ```
 * call ─▶ (waits for a place) ─▶ call frame ─▶ handler ─▶ result | failure frame ─▶ settles
 *              └ signal: rejects at once            └ abort frame: the handler's signal
 * ```
 *
 * What is sent in one turn of the event loop is one message. Values arrive as they were sent, Buffers as Buffers;
 * errors with their class and fields.
 */
export class CallPort<Remote extends Handlers, Local extends Handlers> {
  readonly #port: MessagePort;
  readonly #options: CallPortOptions<Local>;
  /** Sent and not answered, by id. */
  readonly #sent = new Map<number, Waiting>();
  /** Not sent yet, since too many are. */
  readonly #queue = new Set<Waiting>();
  /** Calls of the other side that are running and can be aborted. */
  readonly #running = new Map<number, AbortController>();
  #handling = 0;
  #lastId = 0;
  #frames: Frame[] = [];
  #closed: Error | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(port: MessagePort, options: CallPortOptions<Local>) {
    this.#port = port;
    this.#options = options;
    port.on('message', this.#onMessage);
    port.on('close', () => this.#end(options.onClose()));
    port.unref();
  }

  /**
   * @throws (rejects) what the other side's handler threw; the signal's reason, at once; InvalidValueError for
   *   arguments or results that cannot be sent; what `onClose` returned
   */
  call<M extends keyof Remote & string>(
    method: M,
    args: Arguments<Remote[M]>,
    options?: WaitOptions,
  ): Promise<Result<Remote[M]>> {
    const signal = options?.signal;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const frame = ['call', id, method, args, signal !== undefined] as const;
      const waiting: Waiting = { frame, resolve, reject };
      if (signal !== undefined) this.#heed(signal, id, waiting);
      // What a handler of this side asks for must not wait for calls that may themselves wait for the handler.
      if (this.#sent.size < this.#options.maxInFlight || this.#handling > 0) this.#send(id, waiting);
      else this.#queue.add(waiting);
    });
  }

  /** Tells without an answer; lost when the port is closed. */
  note<M extends keyof Remote & string>(method: M, ...args: Arguments<Remote[M]>): void {
    this.#enqueue(['note', method, args]);
  }

  /** Calls of the other side that are running here. */
  get handling(): number {
    return this.#handling;
  }

  /** Resolves when nothing that the other side called is running any more. */
  handled(): Promise<void> {
    if (this.#handling === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  /** Sends what is to be sent, and closes. What waits rejects with `error`. */
  close(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#flush();
    this.#end(error);
    this.#port.close();
  }

  #send(id: number, waiting: Waiting): void {
    if (this.#options.keepsAlive && this.#sent.size === 0) this.#port.ref();
    this.#sent.set(id, waiting);
    this.#enqueue(waiting.frame);
  }

  /** Takes the call out of those that wait for an answer. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#sent.get(id);
    if (waiting === undefined) return undefined;
    this.#sent.delete(id);
    for (const next of this.#queue) {
      this.#queue.delete(next);
      this.#send(next.frame[1] as number, next);
      break;
    }
    if (this.#options.keepsAlive && this.#sent.size === 0) this.#port.unref();
    return waiting;
  }

  #heed(signal: AbortSignal, id: number, waiting: Waiting): void {
    const { resolve, reject } = waiting;
    const onAbort = () => {
      if (!this.#queue.delete(waiting) && this.#settle(id) !== undefined) {
        this.#enqueue(['abort', id, encodeError(signal.reason)]);
      }
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiting.resolve = (value) => {
      signal.removeEventListener('abort', onAbort);
      resolve(value);
    };
    waiting.reject = (error) => {
      signal.removeEventListener('abort', onAbort);
      reject(error);
    };
  }

  #enqueue(frame: Frame): void {
    if (this.#closed !== undefined) return;
    // Behind the microtasks of this turn, which may have more to send: those of one message received do.
    if (this.#frames.length === 0) queueMicrotask(() => process.nextTick(() => this.#flush()));
    this.#frames.push(frame);
  }

  #flush(): void {
    const frames = this.#frames;
    this.#frames = [];
    if (this.#closed !== undefined) return;
    for (let at = 0; at < frames.length; at += MAX_FRAMES) this.#post(frames.slice(at, at + MAX_FRAMES));
  }

  #post(frames: readonly Frame[]): void {
    let message: Uint8Array<ArrayBuffer>;
    try {
      message = encodeMessage(frames);
    } catch (error) {
      const [frame] = frames;
      if (frame !== undefined && frames.length === 1) this.#refuse(frame, error);
      else for (const each of frames) this.#post([each]);
      return;
    }
    this.#port.postMessage(message, [message.buffer]);
  }

  /** A frame that cannot be sent fails its call, and no other. */
  #refuse(frame: Frame, cause: unknown): void {
    const [kind, id] = frame;
    if (kind === 'call') {
      this.#settle(id)?.reject(
        new InvalidValueError('an argument cannot be sent to another thread', { cause }),
      );
    } else if (kind === 'result') {
      const error = new InvalidValueError('the result cannot be sent to another thread', { cause });
      this.#post([['failure', id, encodeError(error)]]);
    } else {
      throw cause; // a failure is plain data, and notes are of our own making
    }
  }

  readonly #onMessage = (message: Uint8Array): void => {
    for (const frame of decodeMessage(message) as Frame[]) this.#receive(frame);
  };

  #receive(frame: Frame): void {
    switch (frame[0]) {
      case 'call':
        void this.#handle(frame[1], frame[2], frame[3], frame[4]);
        break;
      case 'note':
        this.#invoke(frame[1], frame[2], undefined);
        break;
      case 'abort':
        this.#running.get(frame[1])?.abort(decodeError(frame[2]));
        break;
      case 'result':
        this.#settle(frame[1])?.resolve(frame[2] as never);
        break;
      case 'failure':
        this.#settle(frame[1])?.reject(decodeError(frame[2]));
    }
  }

  async #handle(id: number, method: string, args: readonly unknown[], hasSignal: boolean): Promise<void> {
    const controller = hasSignal ? new AbortController() : undefined;
    if (controller !== undefined) this.#running.set(id, controller);
    this.#handling += 1;
    try {
      this.#enqueue(['result', id, await this.#invoke(method, args, controller?.signal)]);
    } catch (error) {
      this.#enqueue(['failure', id, encodeError(error)]);
    } finally {
      this.#running.delete(id);
      this.#handling -= 1;
      if (this.#handling === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  #invoke(method: string, args: readonly unknown[], signal: AbortSignal | undefined): unknown {
    const handler = Object.hasOwn(this.#options.local, method) ? this.#options.local[method] : undefined;
    if (handler === undefined) throw new InvalidValueError(`there is no call ${JSON.stringify(method)}`);
    return handler(signal, ...(args as never[]));
  }

  #end(error: Error): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#port.unref();
    const waiting = [...this.#queue, ...this.#sent.values()];
    this.#queue.clear();
    this.#sent.clear();
    for (const { reject } of waiting) reject(error);
    for (const controller of this.#running.values()) controller.abort(error);
  }
}
