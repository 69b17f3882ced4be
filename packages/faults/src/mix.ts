import { counter, map, type Receipt, slice, sql, type ZMsg } from '@zmsg/core';
import { Random, Zipf } from '@zmsg/node';
import { POISON_ROWS, ROWS } from './tables.js';

/** One call of the engine, and what it will have written. */
export interface Operation {
  readonly item: string;
  readonly amount: number;
  /** Undefined: acknowledged, and no receipt is given for it. */
  submit(zm: ZMsg): Promise<Receipt | undefined>;
}

export interface MixOptions {
  /** Number of the process within the scenario, in the name of what exists once. */
  run: number;
  seed: number;
  /** Rows that PostgreSQL refuses are among the others. */
  poison: boolean;
  /** Size of the values of puts, at least. @default 0 */
  putBytes?: number;
}

type Kind = keyof typeof PER_MILLE;

/** Share of each kind, in 1/1000; the letter begins the names of its items. */
const PER_MILLE = {
  /** Likes and views: two counters of one row. */
  c: 400,
  v: 150,
  /** Counters of rows that may not exist yet. */
  o: 150,
  /** Slice elements, map keys. */
  s: 50,
  m: 50,
  /** Rows: inserted in order, put without a task, delayed, and written at once. */
  i: 100,
  p: 40,
  d: 30,
  t: 30,
} as const;

/** Of the poisoned ones, if there are any; taken from the likes. */
const POISON_PER_MILLE = { x: 15, y: 10, z: 5 } as const;

const SKEW = 1.1;
/** A new row for so many operations with `orInsert`. */
const UPSERTS_PER_ROW = 12;

/** What exists once, where a text names it: a delayed job, a dead letter. */
export const UNIQUE_ITEM = /(?<![\w.])[smipdty]\d+\.\d+(?![\w.])/g;

/** The row in which a slice element or a map key belongs: `s3.44` in row 44 mod ROWS. */
export function rowOf(item: string): number {
  return Number(item.slice(item.indexOf('.') + 1)) % ROWS;
}

/** A seeded stream of operations. */
export class Mix {
  readonly #options: MixOptions;
  readonly #random: Random;
  readonly #row: Zipf;
  #serial = 0;
  #upserts = 0;

  constructor(options: MixOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#row = new Zipf(ROWS, SKEW, this.#random);
  }

  next(): Operation {
    this.#serial += 1;
    const draw = this.#random.below(1000);
    const poison = this.#options.poison ? pick(POISON_PER_MILLE, draw) : undefined;
    if (poison !== undefined) return this.#poisoned(poison);
    const kind = pick(PER_MILLE, draw) ?? 'c';
    const amount = this.#random.below(9) + 1;
    switch (kind) {
      case 'c':
        return this.#count('likes', 'c', amount);
      case 'v':
        return this.#count('views', 'v', amount);
      case 'o':
        return this.#upsert(amount);
      default:
        return this.#unique(kind);
    }
  }

  #count(column: 'likes' | 'views', letter: 'c' | 'v', amount: number): Operation {
    const row = this.#row.next();
    const item = `${letter}${row}`;
    const task = counter('fault_rows', column).inc(amount).where('id = ?', row);
    // The same row under two batch keys may be in two shards, and in two flushes at one time.
    const keyed = this.#random.below(4) === 0 ? task.batchKey(`row:${row}`) : task;
    return { item, amount, submit: (zm) => zm.cacheAndPeriodicStore(item, null, keyed) };
  }

  #upsert(amount: number): Operation {
    const item = `o${Math.floor(this.#upserts++ / UPSERTS_PER_ROW) + this.#random.below(3)}`;
    const task = counter('fault_upserts', 'n').inc(amount).where('id = ?', item).orInsert({ id: item });
    return { item, amount, submit: (zm) => zm.cacheAndPeriodicStore(item, null, task) };
  }

  #unique(kind: Exclude<Kind, 'c' | 'v' | 'o'>): Operation {
    const item = `${kind}${this.#options.run}.${this.#serial}`;
    const row = rowOf(item);
    const data = Buffer.from(item);
    const insert = sql('INSERT INTO fault_inserts (id) VALUES (?)', item);
    const delay = this.#random.below(200);
    const submit = (zm: ZMsg): Promise<Receipt | undefined> => {
      switch (kind) {
        case 's':
          return zm.cacheAndPeriodicStore(
            item,
            null,
            slice('fault_rows', 'tags').add(item).where('id = ?', row),
          );
        case 'm':
          return zm.cacheAndPeriodicStore(
            item,
            null,
            map('fault_rows', 'extra').set(item, item).where('id = ?', row),
          );
        case 'i':
          return zm.cacheAndPeriodicStore(item, data, insert);
        case 'p':
          return zm.cacheAndPeriodicStore(item, Buffer.from(item.padEnd(this.#options.putBytes ?? 0)));
        case 'd':
          return zm.cacheAndDelayStore(item, data, insert, { delay }).then(() => undefined);
        case 't':
          return zm.cacheAndStore(item, data, insert).then(() => undefined);
      }
    };
    return { item, amount: 1, submit };
  }

  /** A counter past its CHECK, a row that one forbids, a smallint that overflows. */
  #poisoned(kind: keyof typeof POISON_PER_MILLE): Operation {
    if (kind === 'y') {
      const item = `y${this.#options.run}.${this.#serial}`;
      const task = sql('INSERT INTO fault_inserts (id) VALUES (?)', item);
      return { item, amount: 1, submit: (zm) => zm.cacheAndPeriodicStore(item, null, task) };
    }
    const row = this.#random.below(POISON_ROWS);
    const item = `${kind}${row}`;
    const amount = kind === 'x' ? 7 : 9_000;
    const task = counter('fault_poison', kind === 'x' ? 'n' : 'small')
      .inc(amount)
      .where('id = ?', row);
    return { item, amount, submit: (zm) => zm.cacheAndPeriodicStore(item, null, task) };
  }
}

function pick<Kind extends string>(shares: Readonly<Record<Kind, number>>, draw: number): Kind | undefined {
  let end = 0;
  for (const kind in shares) {
    end += shares[kind];
    if (draw < end) return kind;
  }
  return undefined;
}
