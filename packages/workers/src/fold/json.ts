import { InvalidTaskError } from '../error.js';

/**
 * A JSON text taken apart: scalars stay the text that they were, so that no number loses digits.
 * Of equal keys the last one wins, as in JSONB.
 */
export type JsonValue = string | JsonValue[] | Map<string, JsonValue>;

/** Nesting that is followed; deeper texts are refused before they exhaust the stack. */
const MAX_DEPTH = 2000;

const WORD = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Throws `InvalidTaskError` for a text that is no JSON. */
export function parseJson(text: string): JsonValue {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

export function formatJson(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(formatJson).join(',')}]`;
  const members: string[] = [];
  for (const [key, member] of value) members.push(`${JSON.stringify(key)}:${formatJson(member)}`);
  return `{${members.join(',')}}`;
}

/**
 * A text that is the same for two JSON texts exactly if PostgreSQL finds them equal as JSONB:
 * `1` = `1.0` = `1e0`, `-0` = `0`, the order of keys does not matter.
 */
export function canonicalJson(text: string): string {
  return canonical(parseJson(text));
}

function canonical(value: JsonValue): string {
  if (typeof value === 'string') {
    if (value.startsWith('"')) return JSON.stringify(JSON.parse(value));
    return NUMBER.test(value) ? canonicalNumber(value) : value;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const members = [...value].map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`);
  return `{${members.sort().join(',')}}`;
}

/** Digits without zeros at either end, and the power of ten: `1500` → `15e2`. */
function canonicalNumber(text: string): string {
  const [, sign, whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) as RegExpExecArray;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  const significant = digits.replace(/0+$/, '');
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    if (depth > MAX_DEPTH) throw new InvalidTaskError(`JSON is nested more than ${MAX_DEPTH} levels deep`);
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '{') return this.#object(depth);
    if (first === '[') return this.#array(depth);
    return this.#scalar();
  }

  end(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail();
  }

  #object(depth: number): Map<string, JsonValue> {
    const members = new Map<string, JsonValue>();
    this.#at += 1;
    if (this.#takes('}')) return members;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') this.#fail();
      const key = JSON.parse(this.#scalar()) as string;
      if (!this.#takes(':')) this.#fail();
      members.set(key, this.value(depth + 1));
    } while (this.#takes(','));
    if (!this.#takes('}')) this.#fail();
    return members;
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = [];
    this.#at += 1;
    if (this.#takes(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.#takes(','));
    if (!this.#takes(']')) this.#fail();
    return items;
  }

  #scalar(): string {
    if (this.#text[this.#at] === '"') return this.#string();
    WORD.lastIndex = this.#at;
    const text = WORD.exec(this.#text)?.[0];
    if (text === undefined) return this.#fail();
    this.#at += text.length;
    return text;
  }

  /** With its quotes. */
  #string(): string {
    const text = this.#text;
    const start = this.#at;
    for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
      let escapes = 0;
      while (text[end - 1 - escapes] === '\\') escapes += 1;
      if (escapes % 2 === 1) continue;
      this.#at = end + 1;
      return text.slice(start, this.#at);
    }
    return this.#fail();
  }

  #takes(mark: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #fail(): never {
    throw new InvalidTaskError(`no JSON: unexpected text at character ${this.#at + 1}`);
  }
}
