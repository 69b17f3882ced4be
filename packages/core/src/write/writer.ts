import { randomUUID } from 'node:crypto';
import { type Receipt, type Shards, StoreError, type SubmitOptions, type Task } from '@zmsg/workers';
import type { SharedLRU } from 'sharedarraybuffer-lru';
import type { BloomGate } from '../bloom/bloom-gate.js';
import type { Coherence } from '../coherence/coherence.js';
import type { DelayQueue } from '../delay/delay-queue.js';
import type { L2 } from '../l2/l2.js';
import type { Reader } from '../read/reader.js';
import type { Rows, Store, WaitOptions } from '../store/store.js';
import { type BatchEntry, type BatchResult, runBatch, submitPeriodic } from './batch-run.js';
import { Intents } from './intents.js';
import { KeyMutex } from './key-mutex.js';
import { PeriodicWriter } from './periodic-writer.js';
import { PutFollowUp } from './put-follow-up.js';
import { type StrongWrite, StrongWrites } from './strong-writes.js';

export interface WriterParts {
  l1: SharedLRU;
  l2: L2 | undefined;
  bloom: BloomGate | undefined;
  reader: Reader;
  /** Undefined without Redis: this is the only node. */
  coherence: Coherence | undefined;
  store: Store;
  shards: Shards;
  delayQueue: () => Promise<DelayQueue>;
}

export type Row = Record<string, unknown>;

const KEYS_AT_ONCE = 500;

/** What runs at once: a task, or a statement of the engine's own. */
export type Statement = Pick<Task, 'text' | 'values'>;

export interface CacheEntry {
  key: string;
  value: Uint8Array;
  ttlMs: number;
}

export interface StoreWrite {
  key: string;
  task: Task;
  /** What is cached when it is committed; undefined: nothing, the key is deleted from the caches. */
  cached: Omit<CacheEntry, 'key'> | undefined;
}

/**
 * What happens to a write. Arguments are valid when they arrive here.
 *
 * Strong: Bloom bit → PostgreSQL → L2 → L1 → other nodes. A failed write leaves the cache as it was.
 * Delayed: Bloom bit → queue → caches. Periodic: Bloom bit → shard → caches.
 * Caches alone: L1 → L2 → other nodes; between nodes the order of L2 is what counts.
 */
export class Writer {
  readonly #parts: WriterParts;
  readonly #mutex = new KeyMutex();
  readonly #intents = new Intents();
  readonly #strong: StrongWrites;
  readonly #periodic: PeriodicWriter;
  readonly #puts = new PutFollowUp((key, value) => this.recheck(key, value));

  constructor(parts: WriterParts) {
    this.#parts = parts;
    const { bloom, shards, store } = parts;
    this.#strong = new StrongWrites({ ...parts, intents: this.#intents });
    this.#periodic = new PeriodicWriter({ shards, store, announce: (key) => bloom?.add([key]) });
  }

  /** Other nodes have written or deleted these keys. */
  overtake(keys: readonly string[]): void {
    for (const key of keys) this.#intents.overtake(key);
  }

  /** Other nodes may have written any key. */
  overtakeAll(): void {
    this.#intents.overtakeAll();
  }

  async cache(key: string, data: Uint8Array, ttlMs: number): Promise<void> {
    const { l2, coherence } = this.#parts;
    const token = this.#place(key, data, ttlMs);
    if (l2 === undefined) return;
    await l2.set(key, data, ttlMs);
    this.#confirm(key, data, ttlMs, token);
    await coherence?.publish([key]);
  }

  /** Many at once, in one L2 pipeline. */
  async cacheMany(entries: readonly CacheEntry[]): Promise<void> {
    const { l2, coherence } = this.#parts;
    const tokens = entries.map(({ key, value, ttlMs }) => this.#place(key, value, ttlMs));
    if (l2 === undefined) return;
    await l2.setMany(entries);
    for (const [at, { key, value, ttlMs }] of entries.entries()) {
      this.#confirm(key, value, ttlMs, tokens[at] as Placed);
    }
    await coherence?.publish(entries.map(({ key }) => key));
  }

  /** Runs a statement now, past the caches. */
  exec<R>(task: Statement, options?: WaitOptions): Promise<Rows<R>> {
    return againAfterRace([task], () => this.#parts.store.exec<R>(task.text, task.values, options));
  }

  /** Writes now, then caches `data`. */
  store<R>(
    key: string,
    data: Uint8Array,
    task: Task,
    ttlMs: number,
    options?: WaitOptions,
  ): Promise<Rows<R>> {
    return this.#write(
      [key],
      () => this.exec<R>(task, options),
      ([write]) => this.#strong.set(write as StrongWrite, data, ttlMs),
    );
  }

  /** Writes now, then replaces what is cached, if anything is. */
  storeAndReplace<R>(key: string, data: Uint8Array, task: Task, options?: WaitOptions): Promise<Rows<R>> {
    return this.#write(
      [key],
      () => this.exec<R>(task, options),
      ([write]) => this.#strong.replace(write as StrongWrite, data),
    );
  }

  /** All statements in one transaction, then the values of those that have one into the caches. */
  storeMany(writes: readonly StoreWrite[], options?: WaitOptions): Promise<Rows<Row>[]> {
    const { store } = this.#parts;
    // A key may be written several times: the last one counts.
    const cached = new Map(writes.map((write) => [write.key, write.cached]));
    const statement = () =>
      againAfterRace(
        writes.map(({ task }) => task),
        () =>
          store.transaction(async (session) => {
            const rows: Rows<Row>[] = [];
            for (const { task } of writes) rows.push(await session.exec<Row>(task.text, task.values));
            return rows;
          }, options),
      );
    return this.#write([...cached.keys()], statement, async (begun) => {
      await Promise.all(
        begun.map((write) => {
          const entry = cached.get(write.key);
          if (entry === undefined) return this.#strong.drop([write]);
          return this.#strong.set(write, entry.value, entry.ttlMs);
        }),
      );
    });
  }

  async delay(key: string, task: Task, delayMs: number): Promise<void> {
    await this.announce([key]);
    const queue = await this.#parts.delayQueue();
    await queue.enqueue(
      { operationId: randomUUID(), key, task: { text: task.text, values: task.values } },
      delayMs,
    );
  }

  /** The periodic write without its cache part. Not async: a hot counter pays for no second promise. */
  periodic(key: string, task: Task, options?: SubmitOptions): Promise<Receipt> {
    return this.#periodic.submit(key, task, options);
  }

  /** To be called when the value of a periodic write is cached. */
  followPut(key: string, value: Uint8Array, receipt: Receipt): void {
    this.#puts.follow(key, value, receipt);
  }

  /** After the last flush: every value of a periodic write that is committed was looked at. */
  putsFollowed(): Promise<void> {
    return this.#puts.settled();
  }

  /**
   * The periodic or delayed write of this value is committed. If the caches had lost the value before, they may
   * have the old row now, here or on any node: then they drop it.
   */
  async recheck(key: string, value?: Uint8Array): Promise<void> {
    const { l1, l2, reader, coherence } = this.#parts;
    // Without L2 nothing tells whether L1 has the old row or what is newer than this write.
    if (l2 === undefined && value === undefined && this.#puts.isPending(key)) return;
    const isKept =
      l2 === undefined ? value !== undefined && l1.get(key)?.equals(value) : await l2.keepsCached(key);
    if (isKept === true) return;
    l1.delete(key);
    reader.supersede(key);
    await coherence?.publish([key]);
  }

  /**
   * Everything that an earlier process of this node had acknowledged is committed now. `puts`: keys of values among
   * it, which no node was told of, perhaps; `loaded`: those that were loaded meanwhile, undefined: any.
   */
  async recovered(puts: readonly string[], loaded: ReadonlySet<string> | undefined): Promise<void> {
    const { l1, l2, reader } = this.#parts;
    if (loaded === undefined) {
      l1.clear();
      reader.supersedeAll();
      l2?.distrust();
      return;
    }
    await inTurns([...loaded], (key) => this.recheck(key));
    await inTurns(puts, (key) => (l2 === undefined ? this.recheck(key) : this.forget(key)));
  }

  batch(entries: readonly BatchEntry[], options?: WaitOptions): Promise<BatchResult[]> {
    return runBatch(this, entries, () => submitPeriodic(this, entries, options), options);
  }

  /** Replaces a cached value, keeping its remaining time to live. False: nothing was cached. */
  async replace(key: string, data: Uint8Array): Promise<boolean> {
    const { l1, l2, reader, coherence } = this.#parts;
    const ttl = l1.remainingTtl(key);
    if (ttl !== undefined) {
      const token = this.#place(key, data, ttl);
      if (l2 !== undefined) {
        await l2.replace(key, data);
        this.#confirm(key, data, ttl, token);
        await coherence?.publish([key]);
      }
      return true;
    }
    l1.delete(key);
    reader.supersede(key);
    if (l2 === undefined) return false;
    const replaced = await l2.replace(key, data);
    l1.delete(key);
    reader.supersede(key);
    await coherence?.publish([key]);
    return replaced;
  }

  /** Deletes the key from the caches. */
  async forget(key: string): Promise<void> {
    const { l1, l2, reader, coherence } = this.#parts;
    l1.delete(key);
    reader.supersede(key);
    if (l2 === undefined) return;
    await l2.delete(key);
    // Who read the old value from L2 in between may have filled it into L1.
    l1.delete(key);
    reader.supersede(key);
    await coherence?.publish([key]);
  }

  /** Deletes the row now, then the key from the caches. */
  remove<R>(key: string, statement: Statement, options?: WaitOptions): Promise<Rows<R>> {
    return this.#write(
      [key],
      () => this.exec<R>(statement, options),
      (writes) => this.#strong.drop(writes),
    );
  }

  async removeLater(key: string, { text, values }: Statement, delayMs: number): Promise<void> {
    const queue = await this.#parts.delayQueue();
    await queue.enqueue(
      { operationId: randomUUID(), key, task: { text, values }, deleteAfter: true },
      delayMs,
    );
    await this.forget(key);
  }

  /** Makes the keys pass the Bloom filters of all nodes, before their rows can be seen. */
  async announce(keys: readonly string[]): Promise<void> {
    await this.#parts.bloom?.add(keys);
  }

  /**
   * A statement that PostgreSQL refused changed nothing: the cache stays. One whose answer was lost may
   * have been committed: then nobody knows what is true, and the next read asks the database.
   */
  #write<T>(
    keys: readonly string[],
    statement: () => Promise<T>,
    committed: (writes: readonly StrongWrite[]) => Promise<void>,
  ): Promise<T> {
    return this.#mutex.runAll(keys, async () => {
      const [writes] = await Promise.all([this.#strong.begin(keys), this.announce(keys)]);
      let result: T;
      try {
        result = await statement();
      } catch (error) {
        if (error instanceof StoreError && error.outcomeUnknown) await this.#strong.drop(writes);
        else await this.#strong.undo(writes);
        throw error;
      }
      await committed(writes);
      return result;
    });
  }

  /** Puts the value into L1 and makes every load that began earlier too old to be filled. */
  #place(key: string, data: Uint8Array, ttlMs: number): Placed {
    const { l1, l2, reader, coherence } = this.#parts;
    const sinceMs = performance.now();
    l1.set(key, data, { ttl: coherence?.l1Ttl(ttlMs, sinceMs) ?? ttlMs });
    reader.supersede(key);
    return { token: l2 === undefined ? 0 : l1.fillToken(key), flights: reader.started, sinceMs };
  }

  /**
   * Comes after L2 was written. A read that began since the value was placed may have missed L1 (evicted) and
   * taken the old value from L2, to fill it, or about to. With the token unchanged nothing else happened to
   * the key since; else what is newest is in L2. Without such a read, whatever is in L1 is right: a second
   * set for each would cost a third of `cacheOnly`.
   */
  #confirm(key: string, data: Uint8Array, ttlMs: number, { token, flights, sinceMs }: Placed): void {
    const { l1, reader, coherence } = this.#parts;
    if (flights === reader.started) return;
    const ttl = coherence?.l1Ttl(ttlMs, sinceMs) ?? ttlMs;
    if (l1.fillToken(key) === token && ttl > 0) l1.set(key, data, { ttl });
    else l1.delete(key);
  }
}

/** A value that was put into L1 ahead of L2. */
interface Placed {
  /** Of its key, from then on. */
  token: number;
  /** Flights of the reader that had begun. */
  flights: number;
  /** When, `performance.now`. */
  sinceMs: number;
}

const UNIQUE_VIOLATION = '23505';

/**
 * Of two first upserts of a row at one time, one fails by the unique index. Nothing of it happened, and
 * run again it finds the row that the other inserted.
 */
async function againAfterRace<T>(tasks: readonly Statement[], run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const isRace = error instanceof StoreError && error.sqlState === UNIQUE_VIOLATION;
    if (!isRace || !tasks.some((task) => 'orInsert' in task && task.orInsert !== undefined)) throw error;
    return run();
  }
}

/** Some hundreds at a time, which share their commands to Redis. */
async function inTurns(keys: readonly string[], work: (key: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < keys.length; at += KEYS_AT_ONCE)
    await Promise.all(keys.slice(at, at + KEYS_AT_ONCE).map(work));
}
