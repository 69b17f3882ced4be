import { InvalidTaskError } from '@zmsg/workers';
import { isWordPart, Lexer } from './lexer.js';
import { textFault } from './text-fault.js';

/** An SQL text as its author wrote it, taken apart. */
export interface ParsedText {
  /** The text cut at its placeholders, `??` resolved: one more than there are placeholders. */
  readonly parts: readonly string[];
  /** The highest `$n` that the text itself uses; 0: none. */
  readonly ownParameters: number;
  /** Offset of a `)` without `(`, or of a `(` without `)`; -1: balanced. */
  readonly unbalancedAt: number;
  /** Offsets of semicolons that only space, comments and more semicolons follow. */
  readonly trailingSemicolons: readonly number[];
  /** Offset of a semicolon that separates two statements; -1: none. */
  readonly separatorAt: number;
  /** What is appended needs a line break first. */
  readonly endsInLineComment: boolean;
}

/** `text` with every placeholder found. Throws `InvalidTaskError` for a text that cannot be one. */
export function parseText(text: string): ParsedText {
  if (typeof text !== 'string') throw new InvalidTaskError(`an SQL text is a string, not ${typeof text}`);
  const fault = textFault(text);
  if (fault !== undefined) throw new InvalidTaskError(`an SQL text cannot hold ${fault}`);

  const lexer = new Lexer(text);
  const parts: string[] = [];
  const own = new Set<number>();
  const open: number[] = [];
  let trailingSemicolons: number[] = [];
  let part = '';
  let copiedTo = 0;
  let unbalancedAt = -1;
  let separatorAt = -1;
  let isEmpty = true;
  let endsInLineComment = false;

  while (lexer.next()) {
    const { kind, start, end } = lexer;
    endsInLineComment = kind === 'line comment';
    if (kind === 'space' || kind === 'line comment' || kind === 'block comment') continue;
    if (kind === ';') {
      trailingSemicolons.push(start);
      continue;
    }
    isEmpty = false;
    if (trailingSemicolons.length > 0) {
      if (separatorAt === -1) separatorAt = trailingSemicolons[0] as number;
      trailingSemicolons = [];
    }
    if (kind === 'placeholder') {
      // `IN?AND` must not become the identifier `IN$1AND`.
      const before = isWordPart(text.charCodeAt(start - 1)) ? ' ' : '';
      parts.push(`${part}${text.slice(copiedTo, start)}${before}`);
      part = isWordPart(text.charCodeAt(end)) ? ' ' : '';
      copiedTo = end;
    } else if (kind === 'question mark') {
      part += `${text.slice(copiedTo, start)}?`;
      copiedTo = end;
    } else if (kind === 'parameter') own.add(Number(text.slice(start + 1, end)));
    else if (kind === '(') open.push(start);
    else if (kind === ')' && open.pop() === undefined && unbalancedAt === -1) unbalancedAt = start;
  }
  parts.push(part + text.slice(copiedTo));

  if (isEmpty) throw new InvalidTaskError('an SQL text is empty');
  return {
    parts,
    ownParameters: countOwn(own, parts.length - 1),
    unbalancedAt: unbalancedAt === -1 ? (open[0] ?? -1) : unbalancedAt,
    trailingSemicolons,
    separatorAt,
    endsInLineComment,
  };
}

/** `parts` with `$n` between them, the first one `$first`. */
export function joinParts(parts: readonly string[], first: number): string {
  let text = parts[0] as string;
  for (let i = 1; i < parts.length; i++) text += `$${first + i - 1}${parts[i]}`;
  return text;
}

function countOwn(own: ReadonlySet<number>, placeholders: number): number {
  if (own.size === 0) return 0;
  if (placeholders > 0) {
    throw new InvalidTaskError(
      'a text uses either ? or $1 for its parameters, not both (an operator with a question mark is written with ??)',
    );
  }
  const highest = Math.max(...own);
  for (let n = 1; n <= own.size; n++) {
    if (!own.has(n)) throw new InvalidTaskError(`the text uses $${highest} but not $${n}`);
  }
  return highest;
}
