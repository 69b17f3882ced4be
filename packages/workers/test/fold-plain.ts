import type { OperationInput } from './fold-fixture.js';

/** The plain SQL of one operation, on the tables of the schema `one`. */

export interface PlainStatement {
  text: string;
  values: unknown[];
  /** Counts as unmatched when it changes nothing. */
  isCounted: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  id: 'int',
  name: 'text',
  grp: 'int',
  uid: 'uuid',
  flag: 'boolean',
  c_int: 'int',
  tags: 'jsonb',
};

export function inOne(text: string): string {
  return text.replaceAll('fold.', 'one.');
}

export function numbered(where: string, first: number): string {
  let n = first;
  return inOne(where).replaceAll('?', () => `$${n++}`);
}

export function plainStatements(input: OperationInput): PlainStatement[] {
  const { kind, table, column, where, whereValues, insert, op, operand, key } = input;
  const statements: PlainStatement[] = [];
  const target = inOne(table);
  if (insert !== undefined) {
    const names = Object.keys(insert);
    const given = names.map((name, i) => `$${i + 1}::${TYPES[name]}`);
    if (!names.includes(column)) {
      names.push(column);
      given.push(kind === 'counter' ? '0' : kind === 'slice' ? `'[]'` : `'{}'`);
    }
    const condition = numbered(where, Object.keys(insert).length + 1);
    statements.push({
      text:
        `INSERT INTO ${target} (${names.join(', ')}) SELECT ${given.join(', ')} ` +
        `WHERE NOT EXISTS (SELECT 1 FROM ${target} WHERE ${condition}\n) ON CONFLICT DO NOTHING`,
      values: [...Object.values(insert), ...whereValues],
      isCounted: false,
    });
  }
  let value: string;
  let values: unknown[] = [operand];
  if (op === 'clean') {
    value = kind === 'counter' ? '0' : kind === 'slice' ? `'[]'` : `'{}'`;
    values = [];
  } else if (op === 'set' && kind === 'counter') value = '$1::numeric';
  else if (op === 'inc') value = `COALESCE(${column}, 0) + $1::numeric`;
  else if (op === 'dec') value = `COALESCE(${column}, 0) - $1::numeric`;
  else if (op === 'mul') value = `COALESCE(${column}, 0) * $1::numeric`;
  else if (op === 'add') value = `COALESCE(${column}, '[]') || jsonb_build_array($1::jsonb)`;
  else if (op === 'merge') value = `zmsg_map_merge(${column}, $1::jsonb)`;
  else if (op === 'set') {
    value = `COALESCE(${column}, '{}') || jsonb_build_object($2::text, $1::jsonb)`;
    values = [operand, key];
  } else if (kind === 'map') {
    value = `COALESCE(${column}, '{}') - $1::text`;
    values = [key];
  } else {
    value =
      `(SELECT COALESCE(jsonb_agg(e ORDER BY i), '[]') ` +
      `FROM jsonb_array_elements(COALESCE(${column}, '[]')) WITH ORDINALITY x(e, i) WHERE e <> $1::jsonb)`;
  }
  statements.push({
    text: `UPDATE ${target} SET ${column} = ${value} WHERE ${numbered(where, values.length + 1)}`,
    values: [...values, ...whereValues],
    isCounted: true,
  });
  return statements;
}

export const CONTENT = [
  'UPDATE fold.rows SET c_int = COALESCE(c_int, 0) + $1 WHERE id = $2',
  `UPDATE fold.rows SET tags = COALESCE(tags, '[]') || to_jsonb($1::int) WHERE id = $2`,
  'DELETE FROM fold.rows WHERE id = $2 AND $1::int > 7 AND id NOT IN (SELECT id FROM fold.children)',
];
