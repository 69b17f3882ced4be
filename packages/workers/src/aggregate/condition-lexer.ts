export interface ConditionToken {
  readonly kind: 'name' | 'literal' | 'mark' | 'placeholder';
  /** Names as PostgreSQL folds them: lower case unless quoted. */
  readonly text: string;
  readonly isQuoted: boolean;
}

const SPACE = /[ \t\n\r\f\v]+/y;
const NAME = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
const QUOTED_NAME = /"(?:[^"\0]|"")+"/y;
const NUMBER = /\d+(?:\.\d+)?(?![\w.])/y;
/** Backslashes mean different things by the server's settings: not followed. */
const STRING = /'(?:[^'\\]|'')*'/y;
/** As PostgreSQL does, the longest run; comments begin in such a run. */
const OPERATOR = /[+\-*/<>=~!@#%^&|`?]+/y;
const PUNCTUATION = /[(),.]|::/y;

/** PostgreSQL cuts longer names off in silence. */
const MAX_NAME_BYTES = 63;

/**
 * Tokens of a condition cut at its placeholders. Undefined for everything that is not plainly one of
 * the few forms known here (comments, escapes, dollar quotes, parameters of its own, …).
 */
export function lexCondition(parts: readonly string[]): ConditionToken[] | undefined {
  const tokens: ConditionToken[] = [];
  for (const [i, part] of parts.entries()) {
    if (i > 0) tokens.push({ kind: 'placeholder', text: '?', isQuoted: false });
    let at = 0;
    const take = (pattern: RegExp): string | undefined => {
      pattern.lastIndex = at;
      const text = pattern.exec(part)?.[0];
      if (text !== undefined) at += text.length;
      return text;
    };
    while (at < part.length) {
      if (take(SPACE) !== undefined) continue;
      const token = takeToken(take, part, at);
      if (token === undefined) return undefined;
      tokens.push(token);
    }
  }
  return tokens;
}

function takeToken(
  take: (pattern: RegExp) => string | undefined,
  part: string,
  start: number,
): ConditionToken | undefined {
  const name = take(NAME);
  if (name !== undefined) {
    // N'…', E'…', B'…', X'…', U&"…", U&'…'
    const next = part[start + name.length];
    if (next === "'" || next === '"' || (next === '&' && /^u$/i.test(name))) return undefined;
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) return undefined;
    return { kind: 'name', text: name.replace(/[A-Z]+/g, (text) => text.toLowerCase()), isQuoted: false };
  }
  const quoted = take(QUOTED_NAME);
  if (quoted !== undefined) {
    const text = quoted.slice(1, -1).replaceAll('""', '"');
    return Buffer.byteLength(text) > MAX_NAME_BYTES ? undefined : { kind: 'name', text, isQuoted: true };
  }
  const literal = take(NUMBER) ?? take(STRING);
  if (literal !== undefined) return { kind: 'literal', text: literal, isQuoted: false };
  const mark = take(PUNCTUATION) ?? take(OPERATOR);
  if (mark === undefined || mark.includes('--') || mark.includes('/*')) return undefined;
  return { kind: 'mark', text: mark, isQuoted: false };
}
