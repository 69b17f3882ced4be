import type { DelayedWrite } from './delayed-write.js';

/** A delayed write that used up its attempts, kept until it is retried or discarded. */
export interface FailedWrite {
  /** For `retryFailed` and `discardFailed`: the operation id. */
  readonly id: string;
  /** Undefined when the job was written by a newer version. */
  readonly key: string | undefined;
  /** SQL text with placeholders; values are not shown, they may be secret. */
  readonly text: string | undefined;
  /** Message of the last attempt's error. */
  readonly error: string;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly failedAtMs: number;
}

export interface FailedOptions {
  /** 1 to 1000, the newest first. @default 100 */
  limit?: number;
  /** @default 0 */
  offset?: number;
}

export interface DelayQueueStats {
  /** Due, not yet taken. */
  waiting: number;
  /** Not yet due, retries that wait for their backoff included. */
  delayed: number;
  active: number;
  failed: number;
}

/** Typed events, `area:thing:state`. None carries the values of a write. */
export type DelayEvent =
  | { type: 'delay:job:applied'; id: string; key: string; rowCount: number }
  /** Applied before: the queue delivered it twice, or the answer to a commit was lost. */
  | { type: 'delay:job:duplicate'; id: string; key: string }
  /** One attempt failed. `final`: it is kept as failed and not tried again. */
  | { type: 'delay:job:failed'; id: string; attempt: number; final: boolean; error: Error }
  /** Why the backend may lose an acknowledged write, found when it is connected. */
  | { type: 'delay:durability:doubtful'; reasons: readonly string[] }
  /** The queue's backend could not be reached or did not do as asked; the queue goes on trying. */
  | { type: 'delay:backend:failed'; error: Error };

export interface DelayQueueOptions {
  /** Tries of a write before it is kept as failed, at least 1. @default 10 */
  attempts?: number;
  /** Wait before the second try, milliseconds, doubled for each further one. @default 1000 */
  backoffMs?: number;
  /** Writes applied at one time on this node. @default 5 */
  concurrency?: number;
  /** Longest `enqueue`, and longest wait for the backend, milliseconds. @default 5000 */
  enqueueTimeoutMs?: number;
  /** Longest wait of `close` for writes being applied, milliseconds. @default 10000 */
  closeTimeoutMs?: number;
  /** Must not throw. */
  onEvent?: (event: DelayEvent) => void;
}

export const DELAY_DEFAULTS = Object.freeze({
  attempts: 10,
  backoffMs: 1000,
  concurrency: 5,
  enqueueTimeoutMs: 5000,
  closeTimeoutMs: 10_000,
  onEvent: () => {},
} satisfies Required<DelayQueueOptions>);

/**
 * Writes that happen later, on any node that shares the backend, at least once each; the operation id
 * makes that exactly once (see `DelayedWriter`).
 *
 * The longest delay is 10 years; a negative one counts as 0.
 */
export interface DelayQueue {
  /**
   * Resolves when the backend has taken the job. A rejected enqueue may still happen; enqueued again
   * under the same operation id it happens once.
   *
   * @throws QueueError within `enqueueTimeoutMs` when the backend is away
   */
  enqueue(write: DelayedWrite, delayMs: number): Promise<void>;
  failed(options?: FailedOptions): Promise<FailedWrite[]>;
  /** Tries a failed write once more, now. @throws QueueError when no failed job has this id */
  retryFailed(id: string): Promise<void>;
  /** Deletes a failed write for good. @throws QueueError when no failed job has this id */
  discardFailed(id: string): Promise<void>;
  stats(): Promise<DelayQueueStats>;
  /** Reasons why an acknowledged job might be lost, for the log. */
  warnings(): string[];
  /** Takes no more jobs, waits for the ones being applied, closes all connections. */
  close(): Promise<void>;
}

export const MAX_DELAY_MS = 10 * 365 * 86_400_000;

/** `delayMs` within the bounds: 0 to ten years, NaN as 0. */
export function boundedDelayMs(delayMs: number): number {
  return Math.ceil(Math.min(Math.max(delayMs || 0, 0), MAX_DELAY_MS));
}
