import { expect } from 'vitest';
import { checkStructure } from '../dist/check.js';
import { type SharedCacheOptions, SharedLRU } from '../dist/index.js';

/** One step of a sequence; `side` is the attached handle that takes it, `key` the number of a name. */
export type Command =
  | { kind: 'set'; side: number; key: number; bytes: number; ttl: number | undefined }
  | { kind: 'token'; side: number; key: number }
  | { kind: 'fill'; side: number; key: number; token: number; bytes: number; ttl: number | undefined }
  | { kind: 'get'; side: number; key: number; times: number }
  | { kind: 'delete' | 'look'; side: number; key: number }
  | { kind: 'clear' | 'keys' | 'stats' | 'attach'; side: number }
  | { kind: 'advance'; ms: number };

export interface ModelOptions extends Omit<SharedCacheOptions, 'clock'> {
  maxValueBytes: number;
  /** False: so few and small keys that nothing may be gone which nobody removed. */
  mayEvict: boolean;
}

interface Entry {
  value: Buffer;
  expiresAt: number;
}

interface Token {
  key: number;
  token: number;
  /** Of the key, and of all keys, when it was taken. */
  writes: number;
  allWrites: number;
}

const SIDES = 3;

/** Names of very different lengths, up to 512 bytes; some are the beginning of others. */
export function nameOf(key: number): string {
  if (key % 13 === 12) return 'x'.repeat(1 + (key % 512));
  return `${key}${key % 7 === 0 ? '–ä😀\0'.repeat(key % 46) : ''}${key % 11 === 0 ? 'x'.repeat(key % 61) : ''}`;
}

function bytesOf(step: number, bytes: number): Buffer {
  const value = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) value[i] = (Math.imul(step + 1, 31) + i * 7 + (i >> 8)) & 255;
  return value;
}

/** A cache with several handles, and beside it the plain reference: what each key must give, if anything. */
export class CacheModel {
  readonly #options: ModelOptions;
  readonly #handles: SharedLRU[];
  readonly #entries = new Map<number, Entry>();
  readonly #writes = new Map<number, number>();
  readonly #tokens: Token[] = [];
  readonly #counted = { hits: 0, misses: 0, sets: 0, refused: 0 };
  /** What was read, and what it must still be in the end. */
  readonly #kept: [Buffer, Buffer][] = [];
  #allWrites = 0;
  #now = 1_700_000_000_000;
  #step = 0;

  constructor(options: ModelOptions) {
    const { mayEvict: _, ...rest } = options;
    this.#options = options;
    const clock = (): number => this.#now;
    const first = SharedLRU.create({ ...rest, clock });
    this.#handles = [first];
    while (this.#handles.length < SIDES) this.#handles.push(SharedLRU.attach(first.handle, { clock }));
  }

  run(command: Command): void {
    this.#step += 1;
    if (command.kind === 'advance') {
      this.#now += command.ms;
      return;
    }
    const cache = this.#handles[command.side] as SharedLRU;
    if (command.kind === 'set') this.#set(cache, command.key, command.bytes, command.ttl);
    else if (command.kind === 'token') this.#takeToken(cache, command.key);
    else if (command.kind === 'fill') this.#fill(cache, command);
    else if (command.kind === 'get') this.#get(cache, command.key, command.times);
    else if (command.kind === 'delete') this.#delete(cache, command.key);
    else if (command.kind === 'look') this.#look(cache, command.key);
    else if (command.kind === 'clear') this.#clear(cache);
    else if (command.kind === 'keys') this.#keys(cache);
    else if (command.kind === 'stats') this.#stats(cache);
    else this.#attach(command.side);
  }

  /** After a sequence: the counts agree, and every index and log is whole. */
  finish(): void {
    for (const cache of this.#handles) this.#keys(cache);
    for (const key of this.#entries.keys()) this.#get(this.#handles[0] as SharedLRU, key, 1);
    for (const [value, expected] of this.#kept) expect(value.equals(expected)).toBe(true);
    for (const cache of this.#handles) cache.stats();
    const { maxBytes, mayEvict } = this.#options;
    for (const cache of this.#handles) {
      const stats = cache.stats();
      expect(stats).toMatchObject({ ...this.#counted, repairs: 0, maxBytes });
      expect(stats.entries).toBeLessThanOrEqual(this.#entries.size);
      expect(stats.usedBytes).toBeLessThanOrEqual(maxBytes);
      if (!mayEvict) expect(stats.evictions).toBe(0);
      expect(cache.recover(12_345)).toBe(0);
    }
    const { handle } = this.#handles[0] as SharedLRU;
    expect(handle.buffer.byteLength).toBeLessThanOrEqual(maxBytes);
    expect(checkStructure(handle)).toEqual([]);
  }

  #current(key: number): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAt > this.#now ? entry : undefined;
  }

  #wrote(key: number): void {
    this.#writes.set(key, this.#writesOf(key) + 1);
    this.#allWrites += 1;
  }

  #writesOf(key: number): number {
    return this.#writes.get(key) ?? 0;
  }

  /** What was stored a moment ago is there, on all sides. */
  #stored(key: number, value: Buffer, ttl = Number.POSITIVE_INFINITY): void {
    const expiresAt = this.#now + ttl;
    this.#entries.set(key, { value, expiresAt });
    this.#counted.sets += 1;
    const left = expiresAt > this.#now ? expiresAt - this.#now : undefined;
    for (const cache of this.#handles) expect(cache.remainingTtl(nameOf(key))).toBe(left);
  }

  #set(cache: SharedLRU, key: number, bytes: number, ttl: number | undefined): void {
    const value = bytesOf(this.#step, bytes);
    const stored = cache.set(nameOf(key), value, ttl === undefined ? {} : { ttl });
    expect(stored).toBe(bytes <= this.#options.maxValueBytes);
    this.#wrote(key);
    if (stored) {
      this.#stored(key, value, ttl);
    } else {
      this.#counted.refused += 1;
      this.#gone(key);
    }
  }

  #gone(key: number): void {
    this.#entries.delete(key);
    for (const cache of this.#handles) expect(cache.has(nameOf(key))).toBe(false);
  }

  #takeToken(cache: SharedLRU, key: number): void {
    const token = cache.fillToken(nameOf(key));
    for (const other of this.#handles) expect(other.fillToken(nameOf(key))).toBe(token);
    this.#tokens.push({ key, token, writes: this.#writesOf(key), allWrites: this.#allWrites });
  }

  #fill(cache: SharedLRU, command: Extract<Command, { kind: 'fill' }>): void {
    if (this.#tokens.length === 0) return;
    const taken = this.#tokens[command.token % this.#tokens.length] as Token;
    const { key, token } = taken;
    const { bytes, ttl } = command;
    const value = bytesOf(this.#step, bytes);
    const fits = bytes <= this.#options.maxValueBytes;
    const good = cache.fillToken(nameOf(key)) === token;
    const stored = cache.fill(nameOf(key), value, token, ttl === undefined ? {} : { ttl });
    expect(stored).toBe(good && fits);
    if (taken.writes !== this.#writesOf(key)) expect(good).toBe(false);
    if (taken.allWrites === this.#allWrites) expect(good).toBe(true);
    if (stored) this.#stored(key, value, ttl);
    else if (good) this.#counted.refused += 1;
  }

  #get(cache: SharedLRU, key: number, times: number): void {
    const expected = this.#current(key);
    for (let i = 0; i < times; i += 1) {
      const left = cache.remainingTtl(nameOf(key));
      const value = cache.get(nameOf(key));
      if (value === undefined) this.#counted.misses += 1;
      else this.#counted.hits += 1;
      expect(left === undefined).toBe(value === undefined);
      if (expected === undefined || (value === undefined && this.#options.mayEvict)) {
        expect(value).toBeUndefined();
        continue;
      }
      expect(value?.equals(expected.value)).toBe(true);
      if (value !== undefined) this.#kept.push([value, expected.value]);
      expect(left).toBe(expected.expiresAt - this.#now);
    }
  }

  /** All sides say the same, and reading leaves the statistics as they are. */
  #look(cache: SharedLRU, key: number): void {
    const name = nameOf(key);
    const present = cache.has(name);
    const expected = this.#current(key);
    if (expected === undefined) expect(present).toBe(false);
    else if (!this.#options.mayEvict) expect(present).toBe(true);
    const left = present ? (expected as Entry).expiresAt - this.#now : undefined;
    for (const other of this.#handles) {
      expect(other.has(name)).toBe(present);
      expect(other.remainingTtl(name)).toBe(left);
    }
  }

  #delete(cache: SharedLRU, key: number): void {
    const present = cache.has(nameOf(key));
    expect(cache.delete(nameOf(key))).toBe(present);
    if (this.#current(key) === undefined) expect(present).toBe(false);
    else if (!this.#options.mayEvict) expect(present).toBe(true);
    this.#wrote(key);
    this.#gone(key);
  }

  #clear(cache: SharedLRU): void {
    cache.clear();
    this.#entries.clear();
    for (const { key } of this.#tokens) this.#wrote(key);
    this.#allWrites += 1;
    for (const other of this.#handles) expect(other.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
  }

  #keys(cache: SharedLRU): void {
    const names = [...cache.keys()];
    const present = new Set([...this.#entries.keys()].filter((key) => this.#current(key)).map(nameOf));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(present.has(name)).toBe(true);
    if (!this.#options.mayEvict) expect(names.length).toBe(present.size);
  }

  #stats(cache: SharedLRU): void {
    const { sets, refused, hits, misses, usedBytes, entries } = cache.stats();
    expect({ sets, refused }).toEqual({ sets: this.#counted.sets, refused: this.#counted.refused });
    const behind = (SIDES - 1) * (cache.handle.bufferItems - 1);
    for (const [seen, counted] of [
      [hits, this.#counted.hits],
      [misses, this.#counted.misses],
    ] as const) {
      expect(seen).toBeLessThanOrEqual(counted);
      expect(seen).toBeGreaterThanOrEqual(counted - behind);
    }
    expect(entries).toBeLessThanOrEqual(this.#entries.size);
    expect(usedBytes > 0).toBe(entries > 0);
  }

  /** A thread that goes and one that comes: what the old handle had to itself is told first. */
  #attach(side: number): void {
    const { handle } = this.#handles[side] as SharedLRU;
    this.#handles[side]?.stats();
    this.#handles[side] = SharedLRU.attach(structuredClone(handle), { clock: () => this.#now });
  }
}
