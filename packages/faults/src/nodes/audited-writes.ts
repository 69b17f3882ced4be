import { sql, type ZMsg } from '@zmsg/core';
import type { Random } from '@zmsg/node';
import { WRITES_PER_PROCESS } from './audit-record.js';
import { encodeValue } from './audited-value.js';
import { type AuditedKey, isStrong, KEYS, PERIODIC_WRITE, STRONG_WRITE } from './key-space.js';
import { monotonicMs } from './monotonic-clock.js';
import type { NodeSpec } from './node-spec.js';
import type { RecordWriter } from './record-writer.js';

/** Calls under way, at most. */
const MAX_ACTIVE = 64;
/** Lives of strong values: some end while the run goes on, and the key is loaded again. */
const TTLS_MS = [200, 1_000, 5_000, 3_600_000, 3_600_000, 3_600_000];

const STRONG = KEYS.filter(isStrong);

interface Write {
  readonly key: AuditedKey;
  readonly number: number;
  readonly value: Buffer;
}

/**
 * Writes of all kinds. Those that commit are ordered by the commit log, so all nodes write all of these keys at
 * one time; the others have one writer, one write at a time.
 */
export class AuditedWrites {
  readonly #zm: ZMsg;
  readonly #records: RecordWriter;
  readonly #random: Random;
  readonly #spec: NodeSpec;
  readonly #onRejected: (error: unknown) => void;
  readonly #own: readonly AuditedKey[];
  readonly #busy = new Set<AuditedKey>();
  readonly #active = new Map<Promise<void>, string>();
  #count = 0;

  constructor(
    zm: ZMsg,
    records: RecordWriter,
    random: Random,
    spec: NodeSpec,
    onRejected: (error: unknown) => void,
  ) {
    this.#zm = zm;
    this.#records = records;
    this.#random = random;
    this.#spec = spec;
    this.#onRejected = onRejected;
    this.#own = KEYS.filter((key) => !isStrong(key) && key.at % spec.slots === spec.slot);
  }

  run(count: number): void {
    for (let left = count; left > 0 && this.#active.size < MAX_ACTIVE; left -= 1) this.#one();
  }

  /** Resolves when all calls are settled. */
  async settled(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active.keys());
  }

  /** Calls that are not settled: what they do to which keys. */
  get active(): Iterable<string> {
    return this.#active.values();
  }

  #one(): void {
    const draw = this.#random.below(100);
    const key = STRONG[Math.floor(this.#random.fraction() ** 2 * STRONG.length)] as AuditedKey;
    if (draw < 50) this.#store(key);
    else if (draw < 60) this.#updateStore(key);
    else if (draw < 70) this.#delStore(key);
    else if (draw < 75) this.#batch(key, STRONG[this.#random.below(STRONG.length)] as AuditedKey);
    else if (draw < 80) this.#track('del', [], () => this.#zm.del(key.name));
    else this.#ownWrite();
  }

  #store(key: AuditedKey): void {
    const write = this.#begin(key);
    this.#track('store', [write], () =>
      this.#zm.cacheAndStore(key.name, write.value, strong(write), this.#ttl()),
    );
  }

  #updateStore(key: AuditedKey): void {
    const write = this.#begin(key);
    this.#track('updateStore', [write], () => this.#zm.updateStore(key.name, write.value, strong(write)));
  }

  #delStore(key: AuditedKey): void {
    const write = this.#begin(key, true);
    const task = sql(STRONG_WRITE, null, key.name, write.number, true);
    this.#track('delStore', [write], () => this.#zm.delStore(key.name, task));
  }

  /** Rows in one order on all nodes, so that no two transactions wait for each other. */
  #batch(one: AuditedKey, other: AuditedKey): void {
    const writes = [...new Set([one, other])].sort((a, b) => a.at - b.at).map((key) => this.#begin(key));
    const batch = this.#zm.batch();
    for (const write of writes) {
      batch.cacheAndStore(write.key.name, write.value, strong(write), this.#ttl());
    }
    this.#track('batch', writes, () => batch.execute());
  }

  #ownWrite(): void {
    const key = this.#own[this.#random.below(this.#own.length)] as AuditedKey;
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    const write = this.#begin(key);
    const { name } = key;
    const { value } = write;
    if (key.kind === 'periodic') {
      const task = sql(PERIODIC_WRITE, value, name).batchKey(name);
      this.#track('periodic', [write], () => this.#zm.cacheAndPeriodicStore(name, value, task));
    } else if (this.#random.below(3) === 0) {
      this.#track('update', [write], async () => {
        // Nothing was cached, or nobody knows: then it was no write.
        if (!(await this.#zm.update(name, value))) throw new NothingCached();
      });
    } else this.#track('cacheOnly', [write], () => this.#zm.cacheOnly(name, value));
  }

  #begin(key: AuditedKey, isDeletion = false): Write {
    const number = this.#spec.process * WRITES_PER_PROCESS + ++this.#count;
    this.#records.add('begin', key.at, number, monotonicMs(), isDeletion ? 1 : 0);
    return { key, number, value: encodeValue(key.at, number) };
  }

  /** The attempt is with the bench before the call is made. */
  #track(call: string, writes: readonly Write[], make: () => Promise<unknown>): void {
    const what = [call, ...writes.map(({ key }) => key.name)].join(' ');
    this.#records.flush();
    const settle = (kind: 'done' | 'failed') => {
      const at = monotonicMs();
      for (const { key, number } of writes) {
        this.#records.add(kind, key.at, number, at);
        this.#busy.delete(key);
      }
    };
    const active: Promise<void> = make()
      .then(
        () => settle('done'),
        (error) => {
          settle('failed');
          if (!(error instanceof NothingCached)) this.#onRejected(error);
        },
      )
      .finally(() => this.#active.delete(active));
    this.#active.set(active, what);
  }

  #ttl(): { ttl: number } {
    return { ttl: TTLS_MS[this.#random.below(TTLS_MS.length)] as number };
  }
}

class NothingCached extends Error {}

function strong({ key, number, value }: Write) {
  return sql(STRONG_WRITE, value, key.name, number, false);
}
