import type { ZMsg } from '@zmsg/core';
import type { Driver } from './driver.js';
import type { Snapshot } from './snapshot.js';
import type { Tally } from './tally.js';

/** Rates between two looks at a run. */
export class Sampler {
  readonly #zm: ZMsg;
  readonly #tally: Tally;
  readonly #driver: Driver;
  readonly #totalMs: number | undefined;
  readonly #startedAt = performance.now();
  #lastAt = this.#startedAt;
  #lastReads = 0;
  #lastOperations = 0;

  constructor(zm: ZMsg, tally: Tally, driver: Driver, totalMs: number | undefined) {
    this.#zm = zm;
    this.#tally = tally;
    this.#driver = driver;
    this.#totalMs = totalMs;
  }

  take(): Snapshot {
    const now = performance.now();
    const perSecond = 1000 / Math.max(1, now - this.#lastAt);
    const { shards, l1HitRate } = this.#zm.stats();
    const reads = this.#tally.done.read;
    const operations = this.#tally.operations;
    const newReads = reads - this.#lastReads;
    const newOperations = operations - this.#lastOperations;
    const snapshot: Snapshot = {
      elapsedMs: now - this.#startedAt,
      totalMs: this.#totalMs,
      operations,
      operationsPerSecond: newOperations * perSecond,
      readsPerSecond: newReads * perSecond,
      writesPerSecond: (newOperations - newReads) * perSecond,
      l1HitRate,
      failures: this.#tally.failures,
      pendingOperations: shards.pendingOperations,
      pendingGroups: shards.pendingGroups,
      flushes: shards.flushes,
      shardOperations: shards.operations,
      statements: shards.statements,
      inFlight: this.#driver.inFlight,
    };
    this.#lastAt = now;
    this.#lastReads = reads;
    this.#lastOperations = operations;
    return snapshot;
  }
}
