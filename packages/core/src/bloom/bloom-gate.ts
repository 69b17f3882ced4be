import { BloomBits } from './bloom-bits.js';
import type { BloomShare, BloomShareStats, ShareEvent } from './bloom-share.js';
import { bloomSize } from './bloom-size.js';
import { FilterSource } from './filter-source.js';
import type { KeyTable, ScanStore } from './key-source.js';

export type BloomEvent =
  | ShareEvent
  | { readonly type: 'bloom:scan:complete'; readonly prefix: string; readonly rows: number }
  /** Tried again; until it works all keys of the prefix pass. */
  | { readonly type: 'bloom:scan:failed'; readonly prefix: string; readonly error: unknown }
  /** More keys than `bloom_capacity`: more of the absent ones pass than `bloom_error_rate`. Once. */
  | { readonly type: 'bloom:capacity:exceeded'; readonly capacity: number };

export interface BloomGateOptions {
  /**
   * Never rejects. Tables are read after this: when what an earlier process of this node had acknowledged
   * is in them. Its bits died with it. @default at once
   */
  readonly scanAfter?: Promise<void> | undefined;
  readonly store: ScanStore;
  readonly capacity: number;
  readonly errorRate: number;
  /**
   * Without `share`: this node is the only one that writes through an engine (embedded, or no Redis:
   * several nodes need the same Redis to be coherent at all). False: nothing is ever answered absent.
   */
  readonly exclusive: boolean;
  /** Makes the filter one with those of the other nodes. */
  readonly share?: ((bits: BloomBits, onEvent: (event: ShareEvent) => void) => BloomShare) | undefined;
  readonly onEvent?: (event: BloomEvent) => void;
}

export interface BloomStats {
  /** Share of bits that are set. */
  readonly fill: number;
  /** Of the keys that do not exist, the part that passes. */
  readonly estimatedErrorRate: number;
  /** Distinct keys, about. */
  readonly inserted: number;
  readonly capacity: number;
  /** Answers: the key is not in the database. */
  readonly negatives: number;
  readonly passes: number;
  /** All sources are read. */
  readonly complete: boolean;
  readonly share: BloomShareStats | undefined;
}

/**
 * Keeps look-ups of keys that do not exist away from the database. `mayExist` answers false only if
 * the key is certain to be absent; whatever is in doubt passes.
 *
 * False needs all of this: the table where the key would be was read from beginning to end; neither
 * that nor any writer of this node has set all bits of the key; and no other node has (Redis says so,
 * see `BloomShare`), or there is none. It rests on two rules: a bit is set before its row can be
 * seen, and bits are never cleared. A row committed after a scan's snapshot was added before its
 * commit, by this node into the same bits, by another one into Redis.
 */
export class BloomGate {
  readonly #options: BloomGateOptions;
  readonly #bits: BloomBits;
  readonly #share: BloomShare | undefined;
  /** Longest prefix first; undefined: exempt. */
  #routes: { prefix: string; source: FilterSource | undefined }[] = [];
  #negatives = 0;
  #passes = 0;
  #warned = false;
  #closed = false;

  constructor(options: BloomGateOptions) {
    this.#options = options;
    this.#bits = BloomBits.create(bloomSize(options.capacity, options.errorRate));
    this.#share = options.share?.(this.#bits, (event) => this.#onShare(event));
    this.addSource({ prefix: '', table: 'zmsg_data', key: 'id' });
  }

  /** The filter's bits, for other threads. */
  get bits(): BloomBits {
    return this.#bits;
  }

  /** Reads the table's keys in the background; replaces what was said of the prefix before. */
  addSource(table: KeyTable): void {
    const { prefix } = table;
    const source = new FilterSource({
      scanAfter: this.#options.scanAfter ?? Promise.resolve(),
      store: this.#options.store,
      table,
      add: (key) => this.#bits.add(key),
      onFailed: (error) => this.#emit({ type: 'bloom:scan:failed', prefix, error }),
      onComplete: (rows) => {
        this.#emit({ type: 'bloom:scan:complete', prefix, rows });
        this.#checkCapacity();
      },
    });
    this.#route(prefix, source);
    // With a share the first scan waits for Redis: it must begin after the bitmap was adopted.
    if (this.#share === undefined || this.#share.incarnation > 0) source.restart(this.#incarnation);
  }

  /** Keys of this prefix always pass. */
  exempt(prefix: string): void {
    this.#route(prefix, undefined);
  }

  /**
   * Before rows with these keys can be seen. What is returned must be awaited before the write: it
   * resolves when no node will answer that the keys are absent, and never rejects. With Redis away
   * that takes up to `leaseMs` of the share, once.
   */
  add(keys: readonly string[]): void | Promise<void> {
    for (const key of keys) this.#bits.add(key);
    this.#checkCapacity();
    return this.#share?.publish(keys);
  }

  /** False is a promise: the key is not in the database. Synchronous unless Redis must be asked. */
  mayExist(key: string): boolean | Promise<boolean> {
    const incarnation = this.#incarnation;
    const source = this.#sourceOf(key);
    if (this.#closed || source === undefined || source.completeUnder !== incarnation)
      return this.#count(true);
    if (this.#bits.mayContain(key)) return this.#count(true);
    if (this.#share === undefined) return this.#count(!this.#options.exclusive);
    return this.#askOthers(this.#share, key, source, incarnation);
  }

  /** Resolves when no other node denies what this one may write without announcing it: see `BloomShare.registered`. */
  async registered(): Promise<void> {
    await this.#share?.registered();
  }

  /** Resolves when all sources are read and, with a share, Redis is trusted: for tests and tools. */
  async ready(): Promise<void> {
    for (;;) {
      await this.#share?.trusted();
      const incarnation = this.#incarnation;
      await Promise.all(this.#routes.map((route) => route.source?.complete()));
      if (this.#closed || (incarnation === this.#incarnation && this.#isComplete())) return;
    }
  }

  stats(): BloomStats {
    const { fill, errorRate } = this.#bits.measure();
    return {
      fill,
      estimatedErrorRate: errorRate,
      inserted: this.#bits.inserted,
      capacity: this.#options.capacity,
      negatives: this.#negatives,
      passes: this.#passes,
      complete: this.#isComplete(),
      share: this.#share?.stats(),
    };
  }

  /** After the last write: the other nodes stop counting on this one. The store must still be open. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const route of this.#routes) route.source?.stop();
    await this.#share?.close();
  }

  get #incarnation(): number {
    return this.#share?.incarnation ?? 0;
  }

  async #askOthers(
    share: BloomShare,
    key: string,
    source: FilterSource,
    incarnation: number,
  ): Promise<boolean> {
    const isShared = await share.mayContain(key);
    // What the scan was complete under is what Redis was read under, or the two do not fit together.
    const isDoubtful = this.#incarnation !== incarnation || source.completeUnder !== incarnation;
    return this.#count(isShared || isDoubtful || this.#bits.mayContain(key));
  }

  #isComplete(): boolean {
    return this.#routes.every(({ source }) => !source || source.completeUnder === this.#incarnation);
  }

  #sourceOf(key: string): FilterSource | undefined {
    for (const route of this.#routes) if (key.startsWith(route.prefix)) return route.source;
    return undefined;
  }

  #route(prefix: string, source: FilterSource | undefined): void {
    this.#routes.find((route) => route.prefix === prefix)?.source?.stop();
    this.#routes = this.#routes
      .filter((route) => route.prefix !== prefix)
      .concat({ prefix, source })
      .sort((a, b) => b.prefix.length - a.prefix.length);
  }

  #onShare(event: ShareEvent): void {
    // Redis lost what it knew: rows of other nodes are found by reading the tables again.
    if (event.type === 'bloom:share:adopted')
      for (const route of this.#routes) route.source?.restart(event.incarnation);
    this.#emit(event);
  }

  #count(mayExist: boolean): boolean {
    if (mayExist) this.#passes += 1;
    else this.#negatives += 1;
    return mayExist;
  }

  #checkCapacity(): void {
    if (this.#warned || this.#bits.inserted <= this.#options.capacity) return;
    this.#warned = true;
    this.#emit({ type: 'bloom:capacity:exceeded', capacity: this.#options.capacity });
  }

  #emit(event: BloomEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch {
      // A listener that throws must not cost a look-up.
    }
  }
}
