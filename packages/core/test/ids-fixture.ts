import { readFile } from 'node:fs/promises';
import { createDatabase } from '@zmsg/testbed';
import { inject } from 'vitest';
import type { IdClock } from '../dist/ids/id-clock.js';
import { Store } from '../dist/store/store.js';

export const EPOCH_MS = Date.UTC(2024, 0, 1);

export function openStore(connectionString: string, maxOpen = 5): Store {
  const onIdleError = () => {};
  const pool = { maxOpen, maxIdle: maxOpen, maxLifetimeMs: 300_000, connectTimeoutMs: 5_000 };
  return new Store({ connectionString, onIdleError, ...pool });
}

/** A database of its own with the tables of ids. */
export async function idsDatabase(): Promise<string> {
  const dsn = await createDatabase(inject('postgresPort'));
  const store = openStore(dsn, 1);
  await createTables(store);
  await store.close();
  return dsn;
}

/** A store on a database of its own with the tables of ids. */
export async function engineStore(maxOpen = 5): Promise<Store> {
  const store = openStore(await createDatabase(inject('postgresPort')), maxOpen);
  await createTables(store);
  return store;
}

export async function createTables(store: Store): Promise<void> {
  for (const name of ['001_engine', '004_id_epoch'])
    await store.exec(await readFile(new URL(`../../../schema/${name}.sql`, import.meta.url), 'utf8'));
}

/** Time that moves only when told to. Waiting moves it. */
export class SteppedClock implements IdClock {
  wallMs: number;
  elapsedMs = 1000;
  waitedMs = 0;
  readonly #timers = new Set<{ atMs: number; run: () => void }>();

  constructor(wallMs = Date.now()) {
    this.wallMs = wallMs;
  }

  nowMs(): number {
    return this.wallMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  wait(ms: number): void {
    this.waitedMs += ms;
    this.wallMs += ms;
    this.elapsedMs += ms;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.elapsedMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Both clocks go on by `ms`, and what became due is called. */
  advance(ms: number): void {
    this.wallMs += ms;
    this.elapsedMs += ms;
    for (const timer of [...this.#timers])
      if (timer.atMs <= this.elapsedMs && this.#timers.delete(timer)) timer.run();
  }

  /** The process is stopped for so long: both clocks go on, and no timer runs. */
  sleep(ms: number): void {
    this.wallMs += ms;
    this.elapsedMs += ms;
  }

  forgetTimers(): void {
    this.#timers.clear();
  }

  /** The wall clock is set, which takes a moment. */
  step(ms: number): void {
    this.wallMs += ms;
    this.elapsedMs += 2;
  }
}

/** Collects events, and waits for one. */
export class Events<E extends { type: string }> {
  readonly all: E[] = [];
  #wake: () => void = () => {};

  readonly on = (event: E): void => {
    this.all.push(event);
    this.#wake();
  };

  count(type: E['type']): number {
    return this.all.filter((event) => event.type === type).length;
  }

  async until(type: E['type'], count = 1): Promise<void> {
    while (this.count(type) < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }
}
