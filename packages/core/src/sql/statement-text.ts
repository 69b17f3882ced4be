import { InvalidTaskError } from '@zmsg/workers';
import { BoundedCache } from './bounded-cache.js';
import { joinParts, parseText } from './parsed-text.js';

/** A caller's statement with `$1…$n` for its placeholders. */
export interface StatementText {
  readonly text: string;
  /** Values that it takes. */
  readonly parameters: number;
}

/** PostgreSQL's protocol counts parameters in 16 bits. */
export const maxParameters = 65_535;

const maxTexts = 1000;
/** Longer texts are parsed each time, so that what the caches hold stays below some 20 MB. */
export const maxCachedLength = 8192;

const statements = new BoundedCache<StatementText>(maxTexts);
const appendables = new BoundedCache<StatementText>(maxTexts);

/** The statement as it runs. Throws `InvalidTaskError`. */
export function statementText(source: string): StatementText {
  const known = statements.get(source);
  if (known !== undefined) return known;
  const parsed = parseText(source);
  const statement = {
    text: joinParts(parsed.parts, 1),
    parameters: parsed.ownParameters || parsed.parts.length - 1,
  };
  if (statement.parameters > maxParameters) {
    throw new InvalidTaskError(
      `a statement takes at most ${maxParameters} values, this one has ${statement.parameters} placeholders`,
    );
  }
  if (source.length <= maxCachedLength) statements.set(source, statement);
  return statement;
}

/** The statement ready for clauses to follow: no semicolon behind it, no comment that would take them in. */
export function appendableText(source: string): StatementText {
  const known = appendables.get(source);
  if (known !== undefined) return known;
  const parsed = parseText(source);
  if (parsed.separatorAt !== -1) {
    throw new InvalidTaskError(
      `nothing can be appended to several statements (semicolon at character ${parsed.separatorAt + 1})`,
    );
  }
  // What follows the first one is space, comments and more semicolons.
  const first = parsed.trailingSemicolons[0] ?? source.length;
  const semicolons = new Set(parsed.trailingSemicolons);
  let bare = source.slice(0, first);
  for (let at = first; at < source.length; at++) bare += semicolons.has(at) ? ' ' : source[at];
  const { text, parameters } = statementText(bare);
  const appendable = { text: parsed.endsInLineComment ? `${text}\n` : `${text} `, parameters };
  if (source.length <= maxCachedLength) appendables.set(source, appendable);
  return appendable;
}
