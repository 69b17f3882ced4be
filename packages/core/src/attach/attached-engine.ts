import { threadId } from 'node:worker_threads';
import { type AttachedShards, ClosedError, connectShards } from '@zmsg/workers';
import { SharedLRU } from 'sharedarraybuffer-lru';
import { BloomBits } from '../bloom/bloom-bits.js';
import { PulseWatch } from '../coherence/pulse.js';
import type { DeadLettersView } from '../dead-letters/dead-letter.js';
import type { DelayQueueView, EngineCalls } from '../engine-calls.js';
import { ConfigError } from '../error.js';
import type { EngineEvent } from '../events.js';
import { IdGenerator } from '../ids/id-generator.js';
import { type ParsedId, parseId } from '../ids/parse-id.js';
import type { LoaderSource } from '../load/source.js';
import type { MigrationSet } from '../migrate/migration-set.js';
import { type EngineStats, l1Stats } from '../stats.js';
import type { Rows, WaitOptions } from '../store/store.js';
import { PeriodicWriter } from '../write/periodic-writer.js';
import { AttachedLoaders } from './attached-loaders.js';
import { AttachedMigrations } from './attached-migrations.js';
import { AttachedReader } from './attached-reader.js';
import { AttachedWriter } from './attached-writer.js';
import { CallPort } from './call-port.js';
import { decodeEvent, type EncodedEvent } from './event-feed.js';
import type { OwnerCalls } from './owner-calls.js';
import type { OwnerPort } from './owner-port.js';
import type { ThreadCalls } from './thread-calls.js';
import type { ThreadHandle } from './thread-handle.js';

/** Calls of one thread that the owner has not answered, at most; further ones wait in the thread. */
const MAX_CALLS = 4_096;

/**
 * What stands for the engine in a thread that did not open it.
 *
 * | in this thread, on shared memory | in the owner, over the port |
 * | --- | --- |
 * | hits of L1, `peek` | misses: L2, Bloom filter, loaders |
 * | `nextId`, `parseId` | strong and delayed writes, deletes, what is only cached |
 * | periodic writes, reads of what is pending, `flush` | statements, batches, migrations |
 * | loaders that are functions, when the owner asks | dead letters, delay queue, `dbHit`, `announce` |
 */
export class AttachedEngine implements EngineCalls {
  readonly options: ThreadHandle['options'];
  readonly reader: AttachedReader;
  readonly writer: AttachedWriter;
  readonly shards: AttachedShards;
  readonly ids: IdGenerator;
  readonly deadLetters: DeadLettersView;
  readonly #l1: SharedLRU;
  readonly #owner: OwnerPort;
  readonly #loaders: AttachedLoaders;
  readonly #pulse: PulseWatch | undefined;
  readonly #onEvent: (event: EngineEvent) => void;
  #stats!: EngineStats;
  #isClosed = false;
  /** Events of this turn that the owner does not know yet to have arrived. */
  #seen = 0;

  private constructor(handle: ThreadHandle, onEvent: (event: EngineEvent) => void) {
    this.options = handle.options;
    this.#onEvent = onEvent;
    this.#l1 = SharedLRU.attach(handle.l1);
    this.ids = IdGenerator.attach(handle.ids);
    this.shards = connectShards(handle.shards);
    const owner: OwnerPort = new CallPort<OwnerCalls, ThreadCalls>(handle.port, {
      local: {
        load: (_, prefix, keys) => this.#loaders.load(prefix, keys),
        submitBatch: (_, id) => this.writer.submitBatch(id),
        event: (_, event) => this.#emit(event),
        stats: (_, stats) => {
          this.#stats = stats;
        },
        closing: () => {
          this.#isClosed = true;
        },
      },
      maxInFlight: MAX_CALLS,
      keepsAlive: true,
      onClose: () => {
        this.#isClosed = true;
        return new ClosedError();
      },
    });
    this.#owner = owner;
    this.#loaders = new AttachedLoaders(owner);
    this.#pulse = handle.pulse && new PulseWatch(handle.pulse);
    this.reader = new AttachedReader(this.#l1, this.#pulse, owner);
    const exec = <Row>(text: string, values?: readonly unknown[]) =>
      owner.call('statement', [text, values]) as Promise<Rows<Row>>;
    const periodic = new PeriodicWriter({
      shards: this.shards,
      store: { exec },
      announce: announcer(handle, owner),
    });
    this.writer = new AttachedWriter(owner, periodic);
    this.deadLetters = {
      list: ({ signal, ...options } = {}) => owner.call('letters', [options], { signal }),
      get: (id, options) => owner.call('letter', [id], options),
      count: (options) => owner.call('countLetters', [], options),
      retry: (ids, options) => owner.call('retryLetters', [ids], options),
      discard: (ids, options) => owner.call('discardLetters', [ids], options),
    };
  }

  /** @throws ClosedError when the owner has closed the engine, or has taken the handle back */
  static async attach(handle: ThreadHandle, onEvent: (event: EngineEvent) => void): Promise<AttachedEngine> {
    const engine = new AttachedEngine(handle, onEvent);
    const { stats } = await engine.#owner.call('hello', [threadId]);
    engine.#stats = stats;
    return engine;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  mayExist(key: string, options?: WaitOptions): boolean | Promise<boolean> {
    return !this.options.bloomEnabled || this.#owner.call('mayExist', [key], options);
  }

  addLoader(prefix: string, source: LoaderSource, options: { bloom?: boolean } | undefined): void {
    this.#loaders.add(prefix, source, options);
  }

  parseId(id: string): ParsedId {
    return parseId(id, this.options.idEpochMs);
  }

  migrations(): MigrationSet {
    return new AttachedMigrations((sources, options) => this.#owner.call('migrate', [sources], options));
  }

  async delayQueue(options?: WaitOptions): Promise<DelayQueueView> {
    const owner = this.#owner;
    await owner.call('openDelayQueue', [], options);
    return {
      failed: (range) => owner.call('failedWrites', [range]),
      retryFailed: (id) => owner.call('retryFailedWrite', [id]),
      discardFailed: (id) => owner.call('discardFailedWrite', [id]),
      stats: () => owner.call('delayStats', []),
    };
  }

  /** L1 and shards as they are now; L2, Bloom filter, loads and statements as they were 250 ms ago at most. */
  stats(): EngineStats {
    return { ...this.#stats, ...l1Stats(this.#l1), shards: this.shards.stats() };
  }

  openThread(): never {
    throw new ConfigError('threads are opened by the thread that opened the engine');
  }

  listen(types: readonly string[]): void {
    this.#owner.note('listen', types);
  }

  /** The loads that the owner has asked this thread for are still answered. */
  async drain(): Promise<void> {
    this.#owner.note('closing');
    await this.#owner.handled();
  }

  /** @throws ClosedError when what this thread had submitted was not acknowledged within `shutdown_timeout` */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#pulse?.close();
    await this.ids.close();
    this.#l1.stats(); // adds the last hits of this thread to those of all
    try {
      await this.shards.close({ timeoutMs: this.options.shutdownTimeoutMs });
    } finally {
      this.#owner.note('detach');
      this.#owner.close(new ClosedError());
    }
  }

  #emit(event: EncodedEvent): void {
    if (this.#seen === 0) {
      setImmediate(() => {
        this.#owner.note('eventsSeen', this.#seen);
        this.#seen = 0;
      });
    }
    this.#seen += 1;
    this.#onEvent(decodeEvent(event));
  }
}

function announcer(handle: ThreadHandle, owner: OwnerPort): (key: string) => void | Promise<void> {
  if (!handle.options.bloomEnabled) return () => {};
  if (handle.bloom === undefined) return (key) => owner.call('announce', [[key]]);
  const bits = BloomBits.attach(handle.bloom);
  return (key) => {
    bits.add(key);
  };
}
