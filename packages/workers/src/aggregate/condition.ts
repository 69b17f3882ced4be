import { bareTable } from '../flush/identifier.js';
import { type ConditionToken, lexCondition } from './condition-lexer.js';

/**
 * What a condition reads.
 *
 * - keys: a conjunction of `column = ?` on distinct columns.
 * - row: only columns of the row at hand, by operators and functions that look at nothing else.
 * - opaque: anything; it may read other rows and other tables.
 */
export type Condition =
  | { readonly reads: 'keys'; readonly columns: readonly string[] }
  | { readonly reads: 'row'; readonly columns: ReadonlySet<string> }
  | { readonly reads: 'opaque' };

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const KEYWORDS = words('and or not is null true false in between like ilike');
/** PostgreSQL's own, immutable, found before any function of the same name on the search path. */
const FUNCTIONS = words('lower upper coalesce nullif abs length btrim ltrim rtrim');
/** Reserved words, which name no column unless quoted: `user = ?` asks for the session's user. */
const RESERVED = words(
  'all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate ' +
    'collation column concurrently constraint create cross current_catalog current_date current_role ' +
    'current_schema current_time current_timestamp current_user default deferrable desc distinct do else ' +
    'end except exists false fetch for foreign freeze from full grant group having ilike in initially inner ' +
    'intersect into is isnull join lateral leading left like limit localtime localtimestamp natural not ' +
    'notnull null offset on only or order outer overlaps placing primary references returning right row ' +
    'select session_user similar some symmetric system_user table tablesample then to trailing true union ' +
    'unique user using values variadic verbose when where window with',
);
const MARKS = words('= <> != < > <= >= + - * / % || ( ) , ::');

const OPAQUE: Condition = { reads: 'opaque' };

/** `parts`: the condition cut at its placeholders; `columns`: what the table has. */
export function parseCondition(
  parts: readonly string[],
  table: string,
  columns: ReadonlySet<string>,
): Condition {
  const tokens = lexCondition(parts);
  if (tokens === undefined) return OPAQUE;
  const unqualified = unqualify(tokens, bareTable(table));
  if (unqualified === undefined) return OPAQUE;
  return parseKeys(unqualified, columns) ?? parseRow(unqualified, columns) ?? OPAQUE;
}

/** Without `table.` before columns; undefined if there is any other qualification. */
function unqualify(tokens: readonly ConditionToken[], table: string): ConditionToken[] | undefined {
  const result: ConditionToken[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as ConditionToken;
    if (token.kind === 'mark' && token.text === '.') {
      const qualifier = result.pop();
      const column = tokens[i + 1];
      if (qualifier?.kind !== 'name' || qualifier.text !== table || column?.kind !== 'name') return undefined;
      if (tokens[i + 2]?.text === '.') return undefined;
      // Whatever it is called, it is a column: `t.select` and `t.lower` are.
      result.push({ kind: 'name', text: column.text, isQuoted: true });
      i += 1;
    } else result.push(token);
  }
  return result;
}

function parseKeys(tokens: readonly ConditionToken[], columns: ReadonlySet<string>): Condition | undefined {
  const keys: string[] = [];
  for (let i = 0; i < tokens.length; i += 4) {
    const [left, equals, right, and] = tokens.slice(i, i + 4);
    const name = left?.kind === 'name' ? left : right;
    const other = name === left ? right : left;
    if (name?.kind !== 'name' || other?.kind !== 'placeholder') return undefined;
    if (equals?.kind !== 'mark' || equals.text !== '=') return undefined;
    if (!columns.has(name.text) || keys.includes(name.text) || isReserved(name)) return undefined;
    keys.push(name.text);
    if (and === undefined) return { reads: 'keys', columns: keys };
    if (and.kind !== 'name' || and.isQuoted || and.text !== 'and') return undefined;
  }
  return undefined;
}

function parseRow(tokens: readonly ConditionToken[], columns: ReadonlySet<string>): Condition | undefined {
  const named = new Set<string>();
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'mark') {
      if (!MARKS.has(token.text)) return undefined;
    } else if (token.kind === 'name' && tokens[i - 1]?.text !== '::') {
      const isCall = tokens[i + 1]?.text === '(' && tokens[i + 1]?.kind === 'mark';
      if (!token.isQuoted && KEYWORDS.has(token.text)) continue;
      if (isCall) {
        if (token.isQuoted || !FUNCTIONS.has(token.text)) return undefined;
      } else {
        if (!columns.has(token.text) || isReserved(token)) return undefined;
        named.add(token.text);
      }
    }
  }
  return { reads: 'row', columns: named };
}

function isReserved({ text, isQuoted }: ConditionToken): boolean {
  return !isQuoted && RESERVED.has(text);
}
