import { InvalidTaskError } from '@zmsg/workers';

/**
 * What PostgreSQL's own lexer (`scan.l`, with `standard_conforming_strings` on) makes of a text, as far
 * as placeholders need it: where literals, quoted identifiers and comments end.
 */
export type TokenKind =
  | 'space'
  | 'line comment'
  | 'block comment'
  /** String, quoted identifier or dollar-quoted string, whole. */
  | 'quoted'
  /** Identifier, keyword or number. */
  | 'word'
  /** `$1` as PostgreSQL writes parameters. */
  | 'parameter'
  /** `?` */
  | 'placeholder'
  /** `??` */
  | 'question mark'
  | ';'
  | '('
  | ')'
  | 'other';

const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const doubleQuote = 0x22;
const dollar = 0x24;
const quote = 0x27;
const star = 0x2a;
const minus = 0x2d;
const slash = 0x2f;
const question = 0x3f;
const backslash = 0x5c;

/** Cuts an SQL text into tokens; `kind`, `start` and `end` describe the one that `next` found. */
export class Lexer {
  kind: TokenKind = 'other';
  start = 0;
  end = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** False at the end of the text. Throws `InvalidTaskError` for what is not terminated. */
  next(): boolean {
    const text = this.#text;
    const at = this.end;
    if (at >= text.length) return false;
    this.start = at;
    const code = text.charCodeAt(at);
    if (isSpace(code)) return this.#token('space', this.#afterSpace(at));
    if (isWordPart(code) && code !== dollar) return this.#word(at);
    switch (code) {
      case quote:
        return this.#token('quoted', this.#afterQuoted(at, quote, false, 'string literal'));
      case doubleQuote:
        return this.#token('quoted', this.#afterQuoted(at, doubleQuote, false, 'quoted identifier'));
      case dollar:
        return this.#dollar(at);
      case minus:
        if (text.charCodeAt(at + 1) !== minus) break;
        return this.#token('line comment', this.#afterLine(at));
      case slash:
        if (text.charCodeAt(at + 1) !== star) break;
        return this.#token('block comment', this.#afterBlockComment(at));
      case question:
        if (text.charCodeAt(at + 1) === question) return this.#token('question mark', at + 2);
        return this.#token('placeholder', at + 1);
      case 0x28:
        return this.#token('(', at + 1);
      case 0x29:
        return this.#token(')', at + 1);
      case 0x3b:
        return this.#token(';', at + 1);
    }
    return this.#token('other', at + 1);
  }

  #token(kind: TokenKind, end: number): true {
    this.kind = kind;
    this.end = end;
    return true;
  }

  /**
   * A word, or the string that it is the prefix of. Only `E` changes how a string ends; `B`, `X`, `N`
   * and `U&` strings end like plain ones, so their prefix may stand as a word of its own.
   */
  #word(at: number): true {
    const text = this.#text;
    // A number does not take `$` (`1$1` is a number and a parameter), an identifier does (`a$1`).
    const isNumber = isDigit(text.charCodeAt(at));
    let end = at + 1;
    while (end < text.length) {
      const code = text.charCodeAt(end);
      if (!isWordPart(code) || (isNumber && code === dollar)) break;
      end += 1;
    }
    const isEscape = end === at + 1 && (text[at] === 'e' || text[at] === 'E');
    if (!isEscape || text.charCodeAt(end) !== quote) return this.#token('word', end);
    end = this.#afterQuoted(end, quote, true, 'string literal');
    // After a line break a string goes on, and its escapes with it: E'a' ⏎ 'b\'c' is one literal.
    for (let next = this.#continuation(end); next !== -1; next = this.#continuation(end)) {
      end = this.#afterQuoted(next, quote, true, 'string literal');
    }
    return this.#token('quoted', end);
  }

  /** Where the string that ended at `at` goes on, or -1. */
  #continuation(at: number): number {
    const text = this.#text;
    let hasBreak = false;
    let next = at;
    for (;;) {
      const code = text.charCodeAt(next);
      if (code === newline || code === carriageReturn) {
        hasBreak = true;
        next += 1;
      } else if (isSpace(code)) next += 1;
      else if (code === minus && text.charCodeAt(next + 1) === minus) next = this.#afterLine(next);
      else return hasBreak && code === quote ? next : -1;
    }
  }

  #dollar(at: number): true {
    const text = this.#text;
    let end = at + 1;
    if (isDigit(text.charCodeAt(end))) {
      while (isDigit(text.charCodeAt(end))) end += 1;
      return this.#token('parameter', end);
    }
    while (end < text.length && isWordPart(text.charCodeAt(end)) && text.charCodeAt(end) !== dollar) end += 1;
    if (text.charCodeAt(end) !== dollar) return this.#token('other', at + 1);
    const tag = text.slice(at, end + 1);
    const close = text.indexOf(tag, end + 1);
    if (close === -1) throw unterminated(`dollar-quoted string ${tag}`, at);
    return this.#token('quoted', close + tag.length);
  }

  #afterSpace(at: number): number {
    let end = at + 1;
    while (isSpace(this.#text.charCodeAt(end))) end += 1;
    return end;
  }

  #afterLine(at: number): number {
    const text = this.#text;
    let end = at;
    while (end < text.length) {
      const code = text.charCodeAt(end);
      if (code === newline || code === carriageReturn) break;
      end += 1;
    }
    return end;
  }

  #afterBlockComment(at: number): number {
    const text = this.#text;
    let depth = 1;
    let end = at + 2;
    while (end < text.length) {
      const code = text.charCodeAt(end);
      const next = text.charCodeAt(end + 1);
      if (code === slash && next === star) {
        depth += 1;
        end += 2;
      } else if (code === star && next === slash) {
        depth -= 1;
        end += 2;
        if (depth === 0) return end;
      } else end += 1;
    }
    throw unterminated('comment', at);
  }

  /** The position behind a quoted text that starts at `at`; a doubled quote is part of it. */
  #afterQuoted(at: number, mark: number, hasEscapes: boolean, what: string): number {
    const text = this.#text;
    let end = at + 1;
    while (end < text.length) {
      const code = text.charCodeAt(end);
      if (code === mark) {
        if (text.charCodeAt(end + 1) !== mark) return end + 1;
        end += 2;
      } else end += hasEscapes && code === backslash ? 2 : 1;
    }
    throw unterminated(what, at);
  }
}

/** Letters, digits, `_`, `$` and everything beyond ASCII: what goes on with an identifier. */
export function isWordPart(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    isDigit(code) ||
    code === 0x5f ||
    code === dollar ||
    code >= 0x80
  );
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isSpace(code: number): boolean {
  return code === space || (code >= tab && code <= carriageReturn);
}

function unterminated(what: string, at: number): InvalidTaskError {
  return new InvalidTaskError(`the ${what} that starts at character ${at + 1} is not terminated`);
}
