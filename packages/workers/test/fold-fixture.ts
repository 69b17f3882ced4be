import { readFileSync } from 'node:fs';
import { createDatabase } from '@zmsg/testbed';
import pg from 'pg';
import { inject } from 'vitest';
import type { ReadRequest } from '../dist/flush/read.js';
import type { AggregatedOperation, Shape } from '../dist/operation.js';
import type { Operand } from '../dist/task.js';

/** The engine's own tables. */
export const ENGINE_TABLES = ['001_engine', '002_dead_letters']
  .map((name) => readFileSync(new URL(`../../../schema/${name}.sql`, import.meta.url), 'utf8'))
  .join('\n');

export interface OperationInput {
  kind: 'counter' | 'slice' | 'map';
  table: string;
  column: string;
  where: string;
  whereValues: readonly unknown[];
  insert?: Readonly<Record<string, unknown>> | undefined;
  batchKey?: string | undefined;
  op: AggregatedOperation['op'];
  operand?: Operand | undefined;
  key?: string | undefined;
}

/** Interns shapes as a shard does. */
export class ShapeSource {
  readonly #shapes = new Map<string, Shape>();

  shapeOf({ kind, table, column, where, insert }: Omit<OperationInput, 'op'>): Shape {
    const insertColumns = insert === undefined ? undefined : Object.keys(insert);
    const name = JSON.stringify([kind, table, column, where, insertColumns]);
    let shape = this.#shapes.get(name);
    if (shape === undefined) {
      shape = { kind, table, column, whereText: where, whereParts: where.split('?'), insertColumns };
      this.#shapes.set(name, shape);
    }
    return shape;
  }

  operation(input: OperationInput): AggregatedOperation {
    const { op, operand, key, batchKey, whereValues, insert } = input;
    const insertValues = insert === undefined ? undefined : Object.values(insert);
    return {
      kind: 'aggregated',
      shape: this.shapeOf(input),
      op,
      operand,
      key,
      rawKey: rawKeyOf(batchKey, whereValues),
      values: () => ({ batchKey, whereValues, insertValues }),
    };
  }

  read(input: Omit<OperationInput, 'op'>, key?: string): ReadRequest {
    const { batchKey, whereValues } = input;
    return {
      shape: this.shapeOf({ ...input, insert: undefined }),
      op: key === undefined ? 'get' : 'getKey',
      key,
      rawKey: rawKeyOf(batchKey, whereValues),
      values: () => ({ batchKey, whereValues, insertValues: undefined }),
    };
  }
}

function rawKeyOf(batchKey: string | undefined, whereValues: readonly unknown[]): string {
  return JSON.stringify([batchKey ?? null, ...whereValues.map((value) => [typeof value, String(value)])]);
}

/** A database with the engine's own tables and `ddl`. */
export async function openDatabase(ddl = ''): Promise<{ dsn: string; client: pg.Client }> {
  const dsn = await createDatabase(inject('postgresPort'), 'fold');
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  await client.query(ENGINE_TABLES);
  if (ddl !== '') await client.query(ddl);
  return { dsn, client };
}
