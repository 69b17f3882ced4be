import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { expect } from 'vitest';
import { Aggregator } from '../dist/aggregate/aggregator.js';
import type { Generation } from '../dist/aggregate/generation.js';
import { Columns } from '../dist/flush/columns.js';
import { Flusher } from '../dist/flush/flusher.js';
import { createMarks } from '../dist/flush/progress.js';
import type { Session } from '../dist/flush/session.js';
import { type OperationInput, ShapeSource } from './fold-fixture.js';
import { CONTENT, inOne, numbered, type PlainStatement, plainStatements } from './fold-plain.js';
import { INSERTS, type Item, type Mode, OWN_ROW_WHERES, uuidOf, WHERES } from './fold-sequence.js';

export const TABLES = `
  CREATE DOMAIN SCHEMA.tenths AS numeric(10,1);
  CREATE TABLE SCHEMA.rows (
    id int PRIMARY KEY, name text UNIQUE, grp int, nkey numeric, uid uuid, flag boolean DEFAULT true,
    c_small smallint, c_int int, c_big bigint DEFAULT 7, c_num numeric, c_fix numeric(14,2), c_neg numeric(12,-2),
    c_dom SCHEMA.tenths, c_f4 float4, c_f8 float8,
    tags jsonb, tags2 jsonb, extra jsonb, extra2 jsonb);
  CREATE TABLE SCHEMA.children (id int PRIMARY KEY REFERENCES SCHEMA.rows, c_int int, extra jsonb);
  CREATE TABLE SCHEMA.loose (id int, c_int int, c_num numeric, note text DEFAULT 'none');
  CREATE TABLE SCHEMA.log (id int PRIMARY KEY, entries text NOT NULL DEFAULT '');`;

/**
 * One sequence, run both ways: one by one by plain SQL in the schema `one`, and through Aggregator and
 * Flusher in the schema `fold`.
 */
export class Race {
  readonly #client: pg.Client;
  readonly #base: number;
  readonly #mode: Mode;
  readonly #shapes = new ShapeSource();
  readonly #columns = new Columns();
  readonly #aggregator = new Aggregator(this.#columns);
  readonly #flusher: Flusher;
  readonly #mark = { logId: randomUUID(), shard: 0, epoch: 0n };
  #fault: 'none' | 'before COMMIT' | 'answer lost' = 'none';
  #retained: { generation: Generation; position: bigint } | undefined;
  #position = 0n;
  /** What plain SQL has not run yet, by batch: only a taken generation settles which content is replaced. */
  readonly #plain = new Map<string, { name: string | undefined; statements: PlainStatement[] }[]>();
  #plainError: Error | undefined;
  unmatchedPlain = 0;
  unmatchedFolded = 0;
  statements = 0;

  constructor(client: pg.Client, base: number, mode: Mode) {
    this.#client = client;
    this.#base = base;
    this.#mode = mode;
    this.#flusher = new Flusher({
      connect: async () => this.#session(),
      disconnect: () => {},
      mark: this.#mark,
      columns: this.#columns,
    });
  }

  #session(): Session {
    return {
      query: async (text, values) => {
        if (this.#fault === 'before COMMIT' && text === 'COMMIT') {
          await this.#client.query('ROLLBACK');
          this.#fault = 'none';
          throw Object.assign(new Error('refused'), { severity: 'ERROR', code: '40001' });
        }
        const result = await this.#client.query(text, values);
        if (this.#fault === 'answer lost' && text === 'COMMIT') {
          this.#fault = 'none';
          throw new Error('the connection was lost');
        }
        return result;
      },
    };
  }

  async start(starts: readonly string[]): Promise<void> {
    await createMarks(this.#mark.logId, 1, this.#client);
    await this.#flusher.start(this.#session());
    const base = this.#base;
    for (const schema of ['one', 'fold']) {
      for (const [i, start] of starts.entries()) {
        const id = base + i;
        await this.#client.query(`INSERT INTO ${schema}.log (id) VALUES ($1)`, [id]);
        if (start === 'missing') continue;
        await this.#client.query(
          `INSERT INTO ${schema}.rows (id, name, grp, nkey, uid) VALUES ($1::int, $2, $3, $1::int, $4)`,
          [id, `N${id}`, base, uuidOf(id)],
        );
        if (start === 'null') continue;
        await this.#client.query(
          `UPDATE ${schema}.rows SET c_small = 3, c_int = 5, c_big = 9007199254740993, c_num = 1.50, c_fix = 2.35,
             c_neg = 1200, c_dom = 0.7, c_f4 = 0.1, c_f8 = 0.1, tags = '[1, "a", {"a": 1}, 1.0, [1, {"x": 1.0}], null]',
             tags2 = '[]', extra = '{"a": 1, "b": {"c": [1]}, "c": null}', extra2 = '{"a": {"b": {"c": 1.10}}}' WHERE id = $1`,
          [id],
        );
        if (start === 'nan') {
          await this.#client.query(
            `UPDATE ${schema}.rows SET c_num = 'NaN', c_fix = 'NaN', c_f4 = '-0', c_f8 = '-Infinity' WHERE id = $1`,
            [id],
          );
        }
      }
    }
  }

  async run(item: Item): Promise<void> {
    switch (item.type) {
      case 'rows':
      case 'loose':
      case 'children':
        return this.#aggregate(item);
      case 'content': {
        const batchKey = this.#batchKey(item.row);
        if (batchKey === undefined) return;
        const text = CONTENT[item.text] as string;
        const values = [item.value, this.#base + item.row];
        this.#aggregator.add({ kind: 'content', text, values, batchKey, producer: 0 });
        const statement = { text: inOne(text), values, isCounted: false };
        this.#later(batchKey, [statement], text);
        return;
      }
      case 'log': {
        const { producer, value } = item;
        const text = 'UPDATE fold.log SET entries = entries || $1 WHERE id = $2';
        const values = [String(value), this.#base + producer];
        this.#aggregator.add({ kind: 'content', text, values, batchKey: undefined, producer });
        this.#later(`producer ${producer}`, [{ text: inOne(text), values, isCounted: false }], undefined);
        return;
      }
      case 'put': {
        const key = `${this.#base}:${item.key}`;
        this.#aggregator.add({ kind: 'put', key, data: Buffer.from(item.value) });
        const text = `INSERT INTO one.log (id, entries) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET entries = excluded.entries`;
        this.#later(
          'puts',
          [{ text, values: [-this.#base - item.key - 1, item.value], isCounted: false }],
          undefined,
        );
        return;
      }
      case 'read':
        return this.#read(item);
      case 'flush':
        this.#fault = item.fault;
        // A failed flush is tried again later; what plain SQL refuses ends the sequence.
        await this.flush().catch(() => {});
        this.#fault = 'none';
        if (this.#plainError !== undefined) throw this.#plainError;
    }
  }

  #batchKey(row: number): string | undefined {
    if (this.#mode === 'one batch key') return 'all';
    return this.#mode === 'batch key per row' ? `row ${row}` : undefined;
  }

  #batch(row: number): string {
    return this.#batchKey(row) ?? `default ${row}`;
  }

  #inputOf(item: Extract<Item, { type: 'rows' | 'loose' | 'children' }>): OperationInput | undefined {
    const { change, row } = item;
    const base = this.#base;
    const id = base + row;
    const batchKey = this.#batchKey(row);
    if (item.type !== 'rows') {
      // Orders between tables are promised under one batch key only.
      if (this.#mode !== 'one batch key') return undefined;
      const insert = item.type === 'loose' && item.isInsert ? { id } : undefined;
      return { ...change, table: `fold.${item.type}`, where: 'id = ?', whereValues: [id], insert, batchKey };
    }
    const choice = this.#where(item.where, WHERES);
    // Some conditions cannot be told apart from others without one batch key for all of them.
    const inserts = this.#mode === 'one batch key' ? INSERTS : [...INSERTS.slice(0, 4), INSERTS[0]];
    const insert = item.isInsert ? inserts[item.insert] : undefined;
    return {
      ...change,
      table: 'fold.rows',
      where: choice.where,
      whereValues: choice.values(id, base),
      insert: insert?.(id, base),
      batchKey,
    };
  }

  /** With a batch key per row only its own conditions, without batch keys only one text keeps the order. */
  #where(n: number, all: typeof WHERES): (typeof WHERES)[number] {
    const own = this.#mode === 'one batch key' ? all : OWN_ROW_WHERES;
    const choices = this.#mode === 'default batch keys' ? WHERES.slice(0, 2) : own;
    return choices[n % choices.length] as (typeof WHERES)[number];
  }

  async #aggregate(item: Extract<Item, { type: 'rows' | 'loose' | 'children' }>): Promise<void> {
    const input = this.#inputOf(item);
    if (input === undefined) return;
    const operation = this.#shapes.operation(input);
    if (!this.#columns.isKnown(operation.shape))
      await this.#columns.describe([operation.shape], this.#session());
    this.#aggregator.add(operation);
    this.#later(this.#batch(item.row), plainStatements(input), undefined);
  }

  #later(batch: string, statements: PlainStatement[], name: string | undefined): void {
    let pending = this.#plain.get(batch);
    if (pending === undefined) {
      pending = [];
      this.#plain.set(batch, pending);
    }
    // The newest statement with a batch key replaces the one before.
    if (name !== undefined && pending.at(-1)?.name === name) pending.pop();
    pending.push({ name, statements });
  }

  /** Runs what plain SQL has not run yet; throws what it threw before. */
  async runPlain(): Promise<void> {
    if (this.#plainError !== undefined) throw this.#plainError;
    await this.#plainUpTo(this.#plain.keys());
  }

  async #plainUpTo(batches: Iterable<string>): Promise<void> {
    for (const batch of [...batches]) {
      const pending = this.#plain.get(batch) ?? [];
      this.#plain.delete(batch);
      for (const { text, values, isCounted } of pending.flatMap(({ statements }) => statements)) {
        const result = await this.#client.query(text, values).catch((error: Error) => {
          this.#plainError = error;
          throw error;
        });
        if (isCounted && result.rowCount === 0) this.unmatchedPlain += 1;
      }
    }
  }

  async #read({ row, where, column, key }: Extract<Item, { type: 'read' }>): Promise<void> {
    const id = this.#base + row;
    const choice = this.#where(where, OWN_ROW_WHERES);
    const kind = column.startsWith('c_') ? 'counter' : column.startsWith('tags') ? 'slice' : 'map';
    const whereValues = choice.values(id, this.#base);
    const input = {
      kind,
      table: 'fold.rows',
      column,
      where: choice.where,
      whereValues,
      batchKey: this.#batchKey(row),
    } as const;
    const request = this.#shapes.read(input, kind === 'map' ? key : undefined);
    if (!this.#columns.isKnown(request.shape)) await this.#columns.describe([request.shape], this.#session());
    let read = await this.#flusher.read(request, this.#generations(), this.#session());
    if (read.flushFirst) {
      await this.flush();
      if (!this.#columns.isKnown(request.shape))
        await this.#columns.describe([request.shape], this.#session());
      read = await this.#flusher.read(request, this.#generations(), this.#session());
    }
    await this.#plainUpTo([this.#batch(row)]);
    const { rows } = await this.#client.query(
      `SELECT ${column}::text AS v, ${kind === 'map' ? `(${column} -> $${whereValues.length + 1}::text)::text` : 'NULL'} AS k ` +
        `FROM one.rows WHERE ${numbered(choice.where, 1)}`,
      kind === 'map' ? [...whereValues, key ?? ''] : [...whereValues],
    );
    const expected =
      rows[0] === undefined ? undefined : { value: expectedValue(column, request.op, rows[0]) };
    expect(read).toEqual({ flushFirst: false, found: expected });
  }

  #generations(): Generation[] {
    return [...(this.#retained === undefined ? [] : [this.#retained.generation]), this.#aggregator.pending];
  }

  async flush(): Promise<void> {
    if (this.#retained !== undefined) await this.#write(this.#retained);
    await this.#plainUpTo(this.#plain.keys());
    const generation = this.#aggregator.take();
    this.#position += BigInt(generation.operations);
    this.#retained = { generation, position: this.#position };
    await this.#write(this.#retained);
  }

  async #write({ generation, position }: { generation: Generation; position: bigint }): Promise<void> {
    const result = await this.#flusher.flush(generation, position);
    if (result.deadLetters[0] !== undefined) throw result.deadLetters[0].error;
    this.#retained = undefined;
    this.statements += result.statements;
    for (const { table, operations } of result.unmatched)
      if (table !== '') this.unmatchedFolded += operations;
  }

  async rows(schema: 'one' | 'fold'): Promise<unknown> {
    const [from, to] = [this.#base, this.#base + 9];
    const tables: Record<string, unknown> = {};
    for (const table of ['rows', 'children', 'loose', 'log']) {
      const { rows } = await this.#client.query(
        `SELECT t::text AS row FROM ${schema}.${table} t WHERE id BETWEEN $1 AND $2 ORDER BY id, t::text`,
        [from, to],
      );
      tables[table] = rows.map(({ row }) => row);
    }
    const puts =
      schema === 'one'
        ? await this.#client.query(
            'SELECT -id - 1 - $1::int AS n, entries AS data FROM one.log WHERE id BETWEEN $2 AND $3',
            [from, -to, -from - 1],
          )
        : await this.#client.query(
            `SELECT split_part(id, ':', 2)::int AS n, convert_from(data, 'UTF8') AS data FROM zmsg_data WHERE id LIKE $1`,
            [`${from}:%`],
          );
    tables.puts = puts.rows.sort((a, b) => a.n - b.n);
    return tables;
  }
}

function expectedValue(column: string, op: 'get' | 'getKey', row: Record<string, unknown>): unknown {
  const v = row.v as string | null;
  const k = row.k as string | null;
  if (op === 'getKey') return k === null ? undefined : JSON.parse(k);
  if (v === null) return null;
  if (['c_small', 'c_int', 'c_big'].includes(column)) {
    return Number.isSafeInteger(Number(v)) ? Number(v) : BigInt(v);
  }
  if (column === 'c_f4' || column === 'c_f8') return Number(v);
  return column.startsWith('c_') ? v : JSON.parse(v);
}
