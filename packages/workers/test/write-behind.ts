import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { Aggregator } from '../dist/aggregate/aggregator.js';
import type { Generation } from '../dist/aggregate/generation.js';
import { Columns } from '../dist/flush/columns.js';
import { Flusher, type FlushResult } from '../dist/flush/flusher.js';
import type { Mark } from '../dist/flush/progress.js';
import type { ReadResult } from '../dist/flush/read.js';
import { type OperationInput, ShapeSource } from './fold-fixture.js';

/** Aggregator and Flusher put together as a shard does, over connections of their own. */
export class WriteBehind {
  readonly columns = new Columns();
  readonly aggregator = new Aggregator(this.columns);
  readonly flusher: Flusher;
  readonly shapes = new ShapeSource();
  readonly mark: Mark;
  readonly #dsn: string;
  #retained: Generation | undefined;
  #position = 0n;
  /** Connections that the flusher gave back as broken. */
  broken = 0;

  constructor(dsn: string, mark: Mark = { logId: randomUUID(), shard: 3, epoch: 1n }) {
    this.#dsn = dsn;
    this.mark = mark;
    this.flusher = new Flusher({
      connect: () => this.connect(),
      disconnect: async (session, error) => {
        if (error !== undefined) this.broken += 1;
        await (session as pg.Client).end();
      },
      mark,
      columns: this.columns,
    });
  }

  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.#dsn });
    client.on('error', () => {}); // told by the query under way
    await client.connect();
    return client;
  }

  async with<T>(body: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await this.connect();
    try {
      return await body(client);
    } finally {
      await client.end();
    }
  }

  async start(): Promise<bigint> {
    const { logId, shard } = this.mark;
    this.#position = await this.with(async (client) => {
      await client.query(
        `INSERT INTO zmsg_progress (log_id, shard, epoch, position) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING`,
        [logId, shard],
      );
      return this.flusher.start(client);
    });
    return this.#position;
  }

  async add(...inputs: OperationInput[]): Promise<void> {
    for (const input of inputs) {
      const operation = this.shapes.operation(input);
      if (!this.columns.isKnown(operation.shape)) {
        await this.with((client) => this.columns.describe([operation.shape], client));
      }
      this.aggregator.add(operation);
    }
  }

  /** Flushes what failed before, or else what is pending. */
  async flush(): Promise<FlushResult> {
    if (this.#retained === undefined) {
      this.#retained = this.aggregator.take();
      this.#position += BigInt(this.#retained.operations);
    }
    const result = await this.flusher.flush(this.#retained, this.#position);
    this.#retained = undefined;
    return result;
  }

  async read(input: Omit<OperationInput, 'op'>, key?: string): Promise<ReadResult> {
    const request = this.shapes.read(input, key);
    const pending = [...(this.#retained === undefined ? [] : [this.#retained]), this.aggregator.pending];
    return this.with(async (client) => {
      if (!this.columns.isKnown(request.shape)) await this.columns.describe([request.shape], client);
      return this.flusher.read(request, pending, client);
    });
  }
}

/** A counter operation on `table.column` of the row with this id. */
export function counter(
  op: 'inc' | 'dec' | 'mul' | 'set' | 'clean',
  operand: number | bigint | string | undefined,
  id: unknown,
  more: Partial<OperationInput> = {},
): OperationInput {
  return {
    kind: 'counter',
    table: 't',
    column: 'likes',
    where: 'id = ?',
    whereValues: [id],
    op,
    operand,
    ...more,
  };
}
