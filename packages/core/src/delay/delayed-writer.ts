import { StoreError } from '@zmsg/workers';
import type { Store } from '../store/store.js';
import type { DelayedWrite } from './delayed-write.js';

export interface DelayedWriterOptions {
  store: Store;
  /**
   * Called before the write: makes its key pass the Bloom filters. The node that enqueued it has done
   * so for itself; this node's filter may be younger than that.
   */
  announce?: (key: string) => void | Promise<void>;
  /**
   * Called after the write is committed, and again if its job comes twice: takes out of the caches what is
   * older than the write. When it rejects, the job is retried (its write is not).
   */
  onCommitted?: (write: DelayedWrite) => Promise<void>;
  /** Longest time for one write, milliseconds. @default 30000 */
  timeoutMs?: number;
  /**
   * PostgreSQL ends a write's transaction when nothing came from this node for so long, milliseconds: a
   * node that stands still in its midst would keep the others from running it. @default 0: never
   */
  silenceMs?: number;
  /** Ids of applied operations are kept this long at least, milliseconds. @default 7 days */
  retentionMs?: number;
  /** Monotonic milliseconds. @default performance.now */
  now?: () => number;
  /** Told of a clean-up that failed; the next one tries again. */
  onCleanUpError?: (error: Error) => void;
}

export type Applied = { outcome: 'applied'; rowCount: number } | { outcome: 'duplicate' };

const CLAIM = `INSERT INTO zmsg_operations (operation_id)
  SELECT $1::uuid FROM set_config('idle_in_transaction_session_timeout', $2, true)
  ON CONFLICT DO NOTHING`;

const CLEAN_UP_INTERVAL_MS = 3_600_000;
const CLEAN_UP_ROWS = 1000;
const CLEAN_UP_BATCHES = 20;

/**
 * Applies delayed writes exactly once, however often their jobs are delivered: the operation id is
 * inserted in the transaction of the write. A second delivery that runs at the same time waits for the
 * first one's row and then finds it. A commit whose answer was lost is settled by the next delivery.
 *
 * The ids are forgotten after the retention: a job delivered later than that would be applied again.
 * No queue holds an applied job that long, except one whose last attempt was applied with the answer
 * lost, and that an operator retries after the retention.
 */
export class DelayedWriter {
  readonly #store: Store;
  readonly #announce: (key: string) => void | Promise<void>;
  readonly #onCommitted: (write: DelayedWrite) => Promise<void>;
  readonly #onCleanUpError: (error: Error) => void;
  readonly #timeoutMs: number;
  readonly #silenceMs: number;
  readonly #retentionMs: number;
  readonly #now: () => number;
  #cleanedAt: number;
  #cleaning: Promise<void> | undefined;

  constructor(options: DelayedWriterOptions) {
    this.#store = options.store;
    this.#announce = options.announce ?? (() => {});
    this.#onCommitted = options.onCommitted ?? (() => Promise.resolve());
    this.#onCleanUpError = options.onCleanUpError ?? (() => {});
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#silenceMs = options.silenceMs ?? 0;
    this.#retentionMs = options.retentionMs ?? 7 * 86_400_000;
    this.#now = options.now ?? (() => performance.now());
    this.#cleanedAt = this.#now();
  }

  /** @throws StoreError, or what `onCommitted` rejects with */
  async apply(write: DelayedWrite): Promise<Applied> {
    await this.#announce(write.key);
    const applied = await this.#inTime(
      this.#store.transaction<Applied>(async (session) => {
        const claimed = await session.exec(CLAIM, [write.operationId, String(this.#silenceMs)]);
        if (claimed.rowCount === 0) return { outcome: 'duplicate' };
        const { rowCount } = await session.exec(write.task.text, write.task.values);
        return { outcome: 'applied', rowCount };
      }),
    );
    await this.#onCommitted(write);
    this.#cleanUpWhenDue();
    return applied;
  }

  /** Waits for a clean-up under way. */
  async close(): Promise<void> {
    await this.#cleaning;
  }

  /** Deletes ids past the retention, in batches so that no long transaction is held. */
  async cleanUp(): Promise<number> {
    let deleted = 0;
    for (let batch = 0; batch < CLEAN_UP_BATCHES; batch++) {
      const { rowCount } = await this.#store.exec(
        `DELETE FROM zmsg_operations WHERE operation_id IN (
           SELECT operation_id FROM zmsg_operations
           WHERE applied_at < now() - $1 * interval '1 millisecond'
           ORDER BY applied_at LIMIT ${CLEAN_UP_ROWS} FOR UPDATE SKIP LOCKED)`,
        [this.#retentionMs],
      );
      deleted += rowCount;
      if (rowCount < CLEAN_UP_ROWS) break;
    }
    return deleted;
  }

  #cleanUpWhenDue(): void {
    if (this.#cleaning !== undefined || this.#now() - this.#cleanedAt < CLEAN_UP_INTERVAL_MS) return;
    this.#cleanedAt = this.#now();
    this.#cleaning = this.cleanUp()
      .then(() => {}, this.#onCleanUpError)
      .finally(() => {
        this.#cleaning = undefined;
      });
  }

  /** The transaction goes on when its time is over; its operation id decides if a retry does anything. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const give = () => reject(new StoreError(`a delayed write took longer than ${this.#timeoutMs} ms`));
      timer = setTimeout(give, this.#timeoutMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The store could not be reached or is short of something: the write itself is not to blame. */
export function isStoreUnavailable(error: unknown): boolean {
  if (!(error instanceof StoreError)) return false;
  // 08 connection, 53 resources, 57 operator intervention, 40 rollback (deadlock, serialization)
  return error.sqlState === undefined || /^(08|53|57|40)/.test(error.sqlState);
}
