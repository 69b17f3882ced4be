import type { ZMsg } from '@zmsg/core';
import type { Random } from '@zmsg/node';
import { ABSENT, DAMAGED, type RecordKind } from './audit-record.js';
import { writeOf } from './audited-value.js';
import { type AuditedKey, KEYS } from './key-space.js';
import { monotonicMs } from './monotonic-clock.js';
import type { RecordWriter } from './record-writer.js';

/** Calls that wait, at most. */
const MAX_WAITING = 400;
const KEYS_OF_MANY = 8;
/** Between the timers of a turn and a read in it. */
const LATE_MS = 500;

/** Reads of all kinds, and of hot keys more than of others: most are hits of L1, where staleness lives. */
export class AuditedReads {
  readonly #zm: ZMsg;
  readonly #records: RecordWriter;
  readonly #random: Random;
  readonly #onRejected: (error: unknown) => void;
  #waiting = 0;
  #timersAtMs = 0;

  constructor(zm: ZMsg, records: RecordWriter, random: Random, onRejected: (error: unknown) => void) {
    this.#zm = zm;
    this.#records = records;
    this.#random = random;
    this.#onRejected = onRejected;
  }

  /**
   * Some reads. A process that was stopped, and goes on in the middle of a turn of its event loop, cannot know
   * that before its timers have run: `timersAtMs` tells which reads come too late after them to be judged by age.
   */
  run(count: number, timersAtMs: number): void {
    this.#timersAtMs = timersAtMs;
    for (let left = count; left > 0; ) {
      const draw = this.#random.below(20);
      if (draw === 0) {
        this.#getMany();
        left -= KEYS_OF_MANY;
      } else {
        if (draw < 9) this.#get(this.#key());
        else this.#peek(this.#key());
        left -= 1;
      }
    }
  }

  #key(): AuditedKey {
    return KEYS[Math.floor(this.#random.fraction() ** 2 * KEYS.length)] as AuditedKey;
  }

  #peek({ at, name }: AuditedKey): void {
    const calledAt = monotonicMs();
    const value = this.#zm.peek(name);
    // Nothing in L1 says nothing.
    if (value !== undefined) this.#read('peek', at, value, calledAt, calledAt);
  }

  #get({ at, name }: AuditedKey): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting += 1;
    const calledAt = monotonicMs();
    const kind = this.#kind('get', calledAt);
    this.#zm.get(name).then(
      (value) => {
        this.#waiting -= 1;
        this.#read(kind, at, value, calledAt, monotonicMs());
      },
      (error) => {
        this.#waiting -= 1;
        this.#onRejected(error);
      },
    );
  }

  #getMany(): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting += 1;
    const keys = Array.from({ length: KEYS_OF_MANY }, () => this.#key());
    const calledAt = monotonicMs();
    const kind = this.#kind('getMany', calledAt);
    this.#zm.getMany(keys.map(({ name }) => name)).then(
      (found) => {
        this.#waiting -= 1;
        const answeredAt = monotonicMs();
        for (const { at, name } of keys) this.#read(kind, at, found.get(name), calledAt, answeredAt);
      },
      (error) => {
        this.#waiting -= 1;
        this.#onRejected(error);
      },
    );
  }

  #kind(kind: RecordKind, calledAt: number): RecordKind {
    return calledAt - this.#timersAtMs > LATE_MS ? 'lateRead' : kind;
  }

  #read(kind: RecordKind, at: number, value: Buffer | undefined, calledAt: number, answeredAt: number): void {
    const write = value === undefined ? ABSENT : (writeOf(at, value) ?? DAMAGED);
    this.#records.add(kind === 'peek' ? this.#kind(kind, calledAt) : kind, at, write, calledAt, answeredAt);
  }
}
