/**
 * What each operation assigns to its column, as SQL. `base` is the stored value: the column, or the
 * start value of a row to insert. The operation's parameters are the first of the statement.
 *
 * `numeric` parameters make whole operands exact on every numeric column and are cast to the column's
 * type when assigned, which rounds `mul('1.5')` on an integer column. An operand of inc, dec and set
 * that has a fraction (`form` ends in `fraction`) takes the column's type instead: on an integer
 * column PostgreSQL then refuses it (22P02), where a cast would round the increment without a word.
 */
export const assignments = {
  counter: {
    inc: (base: string) => `COALESCE(${base}, 0) + $1::numeric`,
    'inc fraction': (base: string) => `COALESCE(${base}, 0) + $1`,
    dec: (base: string) => `COALESCE(${base}, 0) - $1::numeric`,
    'dec fraction': (base: string) => `COALESCE(${base}, 0) - $1`,
    mul: (base: string) => `COALESCE(${base}, 0) * $1::numeric`,
    set: () => '$1::numeric',
    'set fraction': () => '$1',
    clean: () => '0',
  },
  slice: {
    add: (base: string) => `${array(base)} || jsonb_build_array($1::jsonb)`,
    // The comparison is jsonb's: 1 = 1.0, and the order of keys does not matter.
    del: (base: string) =>
      `COALESCE((SELECT jsonb_agg(zmsg_element.value ORDER BY zmsg_element.ordinality) ` +
      `FROM jsonb_array_elements(${array(base)}) WITH ORDINALITY AS zmsg_element ` +
      `WHERE zmsg_element.value <> $1::jsonb), '[]'::jsonb)`,
    clean: () => `'[]'::jsonb`,
  },
  map: {
    set: (base: string) => `${object(base)} || jsonb_build_object($1::text, $2::jsonb)`,
    del: (base: string) => `${object(base)} - $1::text`,
    merge: (base: string) => `zmsg_map_merge(${base}, $1::jsonb)`,
    clean: () => `'{}'::jsonb`,
  },
} as const;

/** As the shards see a slice: what is no array counts as an empty one. */
function array(base: string): string {
  return `CASE WHEN jsonb_typeof(${base}) = 'array' THEN ${base} ELSE '[]'::jsonb END`;
}

/** As `zmsg_map_edit` and `zmsg_map_merge` see a map: what is no object counts as an empty one. */
function object(base: string): string {
  return `CASE WHEN jsonb_typeof(${base}) = 'object' THEN ${base} ELSE '{}'::jsonb END`;
}
