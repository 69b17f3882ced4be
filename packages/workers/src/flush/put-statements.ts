import type { PutOperation } from '../operation.js';
import { arrayLiteral } from './array-literal.js';
import type { FlushStatement } from './statement.js';

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
export function* putStatements(puts: ReadonlyMap<string, PutOperation>): Generator<FlushStatement> {
  const sorted = [...puts.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  let chunk: PutOperation[] = [];
  let bytes = 0;
  for (const put of sorted) {
    const size = put.data.byteLength;
    if (size > MAX_SHARED_BYTES) {
      yield { text: ONE, values: [put.key, asBuffer(put.data)], unmatched: 'never', groups: [] };
      continue;
    }
    if (chunk.length >= MAX_ROWS || (chunk.length > 0 && bytes + size > MAX_BYTES)) {
      yield statementOf(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(put);
    bytes += size;
  }
  if (chunk.length > 0) yield statementOf(chunk);
}

function statementOf(puts: readonly PutOperation[]): FlushStatement {
  const keys = arrayLiteral(puts.map(({ key }) => key));
  const data = arrayLiteral(puts.map((put) => `\\x${asBuffer(put.data).toString('hex')}`));
  return { text: MANY, values: [keys, data], unmatched: 'never', groups: [] };
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
