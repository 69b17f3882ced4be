import type { PutOperation } from '../operation.js';
import { arrayLiteral } from './array-literal.js';
import type { FlushStatement } from './statement.js';
import { type FlushUnit, singleUnit } from './unit.js';

const MAX_ROWS = 5000;
/** Bytes of values in one statement; as text they take twice that. */
const MAX_BYTES = 8 << 20;
/** Larger values travel alone, in binary. */
const MAX_SHARED_BYTES = 256 << 10;

const CONFLICT = 'ON CONFLICT (id) DO UPDATE SET data = excluded.data, updated_at = now()';
const ONE = `INSERT INTO zmsg_data (id, data) VALUES ($1, $2) ${CONFLICT}`;
const MANY =
  'INSERT INTO zmsg_data (id, data) ' +
  `SELECT u.id, u.data FROM unnest($1::text[], $2::bytea[]) AS u(id, data) ${CONFLICT}`;

/** Upserts into the engine's own table, in the order of their keys. */
export function* putUnits(puts: ReadonlyMap<string, PutOperation>): Generator<FlushUnit> {
  const sorted = [...puts.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  let chunk: PutOperation[] = [];
  let bytes = 0;
  for (const put of sorted) {
    const size = put.data.byteLength;
    if (size > MAX_SHARED_BYTES) {
      yield singleUnit(put, () => [putStatement(put)]);
      continue;
    }
    if (chunk.length >= MAX_ROWS || (chunk.length > 0 && bytes + size > MAX_BYTES)) {
      yield unitOf(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(put);
    bytes += size;
  }
  if (chunk.length > 0) yield unitOf(chunk);
}

export function putStatement(put: PutOperation): FlushStatement {
  return { text: ONE, values: [put.key, asBuffer(put.data)], unmatched: 'never', groups: [put] };
}

function unitOf(puts: readonly PutOperation[]): FlushUnit {
  return {
    groups: puts,
    statements: () => [statementOf(puts)],
    part: (from, to) => unitOf(puts.slice(from, to)),
  };
}

function statementOf(puts: readonly PutOperation[]): FlushStatement {
  const keys = arrayLiteral(puts.map(({ key }) => key));
  const data = arrayLiteral(puts.map((put) => `\\x${asBuffer(put.data).toString('hex')}`));
  return { text: MANY, values: [keys, data], unmatched: 'never', groups: puts };
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
