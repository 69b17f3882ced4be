/**
 * `stored`: what the database had, by a load or a strong write. `cached`: what lives in the caches alone, or
 * is ahead of the database (periodic and delayed writes).
 */
export type TierKind = 'stored' | 'cached';

/** A value of the shared tier and what is left of its life. */
export interface TierEntry {
  readonly value: Buffer;
  readonly kind: TierKind;
  /**
   * Milliseconds left, `Infinity` for an entry without expiry. 0: the writer's clock says that it is
   * over while Redis still has it; the value may be answered, but must not be kept in L1.
   */
  readonly remainingTtlMs: number;
}

export interface TierWrite {
  readonly key: string;
  readonly value: Uint8Array;
  /** Milliseconds; `Infinity`: no expiry. */
  readonly ttlMs: number;
}

/** The right to fill a key, as long as nothing else happens to it. */
export type TierLease = Buffer;

/** What becomes of a key after the statement of its strong write. */
export type TierOutcome =
  | { readonly mode: 'set'; readonly value: Uint8Array; readonly ttlMs: number }
  /** Only where there is a value, and with what is left of its life. */
  | { readonly mode: 'replace'; readonly value: Uint8Array }
  | { readonly mode: 'drop' }
  /** The statement changed nothing. */
  | { readonly mode: 'undo' };

/** `conflict`: another write of the key overlapped, so nobody may say what is newest; the tier has no value. */
export type TierEnd = 'done' | 'absent' | 'conflict';

export interface TierStats {
  /** Keys found. */
  hits: number;
  /** Keys that the tier answered it does not have. */
  misses: number;
  /** Calls that the tier answered with an error, or whose connection broke. */
  errors: number;
  /** Calls that got no answer within the command time-out. */
  timeouts: number;
  /** Calls refused at once because the tier is away or has too much in flight. */
  refused: number;
  /** `away`: calls are refused at once, and connecting goes on in the background. */
  state: 'ready' | 'away' | 'closed';
  breaker: 'closed' | 'open' | 'half-open';
  inFlight: number;
}

/**
 * The cache that all nodes share (L2).
 *
 * Reads never reject: a tier that is away, slow or broken answers like a miss, in bounded time, and
 * counts it. Thus the read path falls through without a `catch`, and a call while the tier is away
 * costs one shared resolved promise. Writes reject with a `TierError`, since a caller must know that
 * an old value may have stayed.
 */
export interface SharedTier {
  /** Undefined: not there, or the tier cannot say. */
  get(key: string): Promise<TierEntry | undefined>;
  /** What was found, in one round trip (cluster: one per node). Absent keys are absent from the map. */
  getMany(keys: readonly string[]): Promise<Map<string, TierEntry>>;
  /**
   * To be taken before a load: the lease, or an entry that is there by now. Undefined: the load's value
   * must not be filled, or the tier cannot say. Never rejects.
   */
  lease(key: string): Promise<TierLease | TierEntry | undefined>;
  /** Stores what was loaded under the lease; false: something happened to the key. @throws TierError */
  fill(key: string, value: Uint8Array, ttlMs: number, lease: TierLease): Promise<boolean>;
  /** The load came to nothing. @throws TierError */
  giveBack(key: string, lease: TierLease): Promise<void>;
  /**
   * To be called before the statement of a strong write, and again while it takes long: the key takes no
   * fill, and its value lives for a bounded time. `token`: 8 bytes, random for each write. @throws TierError
   */
  begin(key: string, token: Buffer, again?: boolean): Promise<void>;
  /** After the statement. @throws TierError */
  end(key: string, token: Buffer, outcome: TierOutcome): Promise<TierEnd>;
  /** A value of kind `cached`. `ttlMs` at or below 0 deletes. @throws TierError */
  set(key: string, value: Uint8Array, ttlMs: number): Promise<void>;
  /** All in one pipeline; not atomic. @throws TierError if any of them failed */
  setMany(entries: readonly TierWrite[]): Promise<void>;
  /** @throws TierError */
  delete(keys: readonly string[]): Promise<void>;
  /** Replaces the value by a `cached` one and keeps the remaining TTL; false when there is no entry. @throws TierError */
  replace(key: string, value: Uint8Array): Promise<boolean>;
  /**
   * To be called when a value that was cached ahead of the database has come there. True: it is there, or what
   * replaced it. False: a load may have found the old row; what it filled is deleted. @throws TierError
   */
  keepsCached(key: string): Promise<boolean>;
  /**
   * Whether a server came back with what it had some time ago (a snapshot), or a replica that lacks the last
   * writes took over: entries may be older than what was written. No more after `clear()`. @throws TierError
   */
  hasOtherServers(): Promise<boolean>;
  /** A connection was made again: there may be other servers behind it. */
  onReconnect(listener: () => void): void;
  /** Deletes every entry. @throws TierError */
  clear(): Promise<void>;
  /** Round trip, milliseconds. @throws TierError */
  ping(): Promise<number>;
  stats(): TierStats;
  /** Waits for calls in flight (at most one command time-out), then closes all connections. */
  close(): Promise<void>;
}

/**
 * Why a call to the shared tier did not succeed. `refused`: nothing was sent. `timeout` and `failed`:
 * it may have happened, or may still happen.
 */
export class TierError extends Error {
  readonly reason: 'refused' | 'timeout' | 'failed';

  constructor(reason: TierError['reason'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TierError';
    this.reason = reason;
  }
}
