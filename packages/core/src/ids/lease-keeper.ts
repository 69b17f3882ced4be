import { StoreError } from '@zmsg/workers';
import { type IdCell, WANT_OTHER_NODE, WANT_RENEWAL } from './id-cell.js';
import type { IdClock } from './id-clock.js';
import { MAX_AHEAD_MS, MAX_WAIT_MS, SEQUENCES_PER_MS } from './id-layout.js';
import { type LeaseStore, NodeLease } from './node-lease.js';

export type LeaseEvent =
  | { readonly type: 'ids:lease:acquired'; readonly nodeId: number }
  | { readonly type: 'ids:lease:renewed'; readonly nodeId: number }
  | { readonly type: 'ids:lease:released'; readonly nodeId: number }
  /** Another engine has the node id: it was not renewed in time. */
  | { readonly type: 'ids:lease:lost'; readonly nodeId: number }
  /** Tried again until it works; ids are issued while the lease lasts. */
  | { readonly type: 'ids:lease:failed'; readonly doing: Doing; readonly error: unknown };

export interface LeaseKeeperOptions {
  readonly store: LeaseStore;
  readonly cell: IdCell;
  readonly clock: IdClock;
  readonly ttlMs: number;
  readonly onEvent: (event: LeaseEvent) => void;
}

type Doing = 'acquire' | 'renew' | 'release';

/**
 * Keeps the shared cell under a lease.
 *
 *     acquire ──▶ held ──(ttl / 3, or rung)──▶ renew ──▶ held
 *        ▲                                       │ taken by another
 *        └───────────────────────────────────────┘
 *     held ──(clock stepped back)──▶ acquire another node id ──▶ held; the first one is released
 *
 * One step runs at a time. A failed step is tried again after a tenth of the lease's length, a second at most; the cell
 * fences itself meanwhile, since its deadline counts from the moment the last good renewal was sent.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  /** Off the deadline: rounding, and the time between a thread's check and its return. */
  readonly #marginMs: number;
  #lease: NodeLease | undefined;
  #cancelTimer: () => void = () => {};
  #step: Promise<void> | undefined;
  #closed = false;
  /** The last step failed and is scheduled again. */
  #retrying = false;
  #resume: () => void = () => {};

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#marginMs = Math.min(1000, options.ttlMs / 10);
  }

  /** Resolves when the first lease is held; rejects when there is none to be had. */
  async start(): Promise<void> {
    await this.#acquire();
    this.#schedule(this.#options.ttlMs / 3);
    void this.#listen();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    await this.#step;
    const lease = this.#lease;
    this.#lease = undefined;
    const position = this.#options.cell.stop('closed');
    this.#options.cell.want(WANT_RENEWAL); // ends #listen
    if (lease !== undefined) await this.#release(lease, position);
  }

  /** Threads ring when they must refuse ids: that cannot wait for the timer. */
  async #listen(): Promise<void> {
    const { cell } = this.#options;
    while (!this.#closed) {
      await cell.wanted();
      if (this.#closed) return;
      // A step that fails schedules its own repetition: ringing meanwhile must not hammer the database.
      if (this.#retrying) await this.#pause();
      else await this.#run(cell.takeWanted());
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  #schedule(ms: number): void {
    this.#cancelTimer();
    if (!this.#closed) this.#cancelTimer = this.#options.clock.after(ms, () => void this.#run(WANT_RENEWAL));
  }

  async #run(wanted: number): Promise<void> {
    while (this.#step !== undefined) await this.#step;
    if (this.#closed) return;
    this.#step = this.#work(wanted).finally(() => {
      this.#step = undefined;
    });
    await this.#step;
  }

  /** Never rejects. */
  async #work(wanted: number): Promise<void> {
    let doing: Doing = 'renew';
    try {
      if (this.#lease !== undefined && !(await this.#renew(this.#lease))) {
        const { nodeId } = this.#lease;
        this.#lease = undefined;
        this.#options.cell.stop('waiting');
        this.#emit({ type: 'ids:lease:lost', nodeId });
      }
      doing = 'acquire';
      if (this.#lease === undefined || ((wanted & WANT_OTHER_NODE) !== 0 && this.#isClockBehind()))
        await this.#acquire();
      this.#retrying = false;
      this.#schedule(this.#options.ttlMs / 3);
    } catch (error) {
      this.#retrying = true;
      this.#schedule(Math.min(1000, this.#options.ttlMs / 10));
      this.#emit({ type: 'ids:lease:failed', doing, error });
    }
    if (!this.#retrying) this.#resume();
  }

  /** What the issuing threads refuse to wait for. */
  #isClockBehind(): boolean {
    const { cell, clock } = this.#options;
    // The position first, as where ids are issued: it may move on while this thread waits its turn.
    const lastMs = Math.floor(cell.position / SEQUENCES_PER_MS);
    return lastMs - (clock.nowMs() - cell.epochMs) - MAX_AHEAD_MS > MAX_WAIT_MS;
  }

  async #renew(lease: NodeLease): Promise<boolean> {
    const { cell, clock, ttlMs } = this.#options;
    const sentMs = clock.monotonicMs();
    const reserveMs = Math.floor(clock.nowMs()) + ttlMs;
    if (!(await lease.renew({ ttlMs, reserveMs }, this.#patience()))) return false;
    cell.extend(reserveMs - cell.epochMs, sentMs + ttlMs - this.#marginMs);
    this.#emit({ type: 'ids:lease:renewed', nodeId: lease.nodeId });
    return true;
  }

  /** Takes a node id, and puts it in the place of the one held until now, if there is one. */
  async #acquire(): Promise<void> {
    const { store, cell, clock, ttlMs } = this.#options;
    const sentMs = clock.monotonicMs();
    const nowMs = Math.floor(clock.nowMs());
    const reserveMs = nowMs + ttlMs;
    const lease = await NodeLease.acquire(store, { ttlMs, nowMs, reserveMs }, this.#patience());
    const previous = this.#lease;
    const position = cell.stop('waiting');
    this.#lease = lease;
    cell.grant({
      node: lease.nodeId,
      startMs: lease.usedMs + 1 - cell.epochMs,
      limitMs: reserveMs - cell.epochMs,
      deadlineMs: sentMs + ttlMs - this.#marginMs,
    });
    this.#emit({ type: 'ids:lease:acquired', nodeId: lease.nodeId });
    if (previous !== undefined) await this.#release(previous, position);
  }

  /** `position` is the first one that was not used. A lease that cannot be released expires by itself. */
  async #release(lease: NodeLease, position: number): Promise<void> {
    const { cell } = this.#options;
    const lastUsedMs = cell.epochMs + Math.floor((position - 1) / SEQUENCES_PER_MS);
    try {
      await lease.release(lastUsedMs, this.#patience());
      this.#emit({ type: 'ids:lease:released', nodeId: lease.nodeId });
    } catch (error) {
      this.#emit({ type: 'ids:lease:failed', doing: 'release', error });
    }
  }

  /**
   * A database that hangs, or a connection that is half-open, must not outlast the lease: the statement is
   * given up with its connection, and the step tried again.
   */
  #patience(): AbortSignal {
    const giveUp = new AbortController();
    const ms = this.#options.ttlMs / 3;
    this.#options.clock.after(ms, () =>
      giveUp.abort(new StoreError(`no answer within ${Math.round(ms)} ms`)),
    );
    return giveUp.signal;
  }

  #emit(event: LeaseEvent): void {
    try {
      this.#options.onEvent(event);
    } catch {
      // A listener that throws must not cost the lease.
    }
  }
}
