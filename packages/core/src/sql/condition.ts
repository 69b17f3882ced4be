import { InvalidTaskError } from '@zmsg/workers';
import { BoundedCache } from './bounded-cache.js';
import { parseText } from './parsed-text.js';
import { maxCachedLength } from './statement-text.js';

const maxConditions = 1000;
const conditions = new BoundedCache<readonly string[]>(maxConditions);

/**
 * A condition cut at its placeholders, fit to stand between parentheses. Throws `InvalidTaskError` for
 * a text that could reach beyond them.
 */
export function conditionParts(text: string): readonly string[] {
  const known = conditions.get(text);
  if (known !== undefined) return known;
  const parsed = parseText(text);
  const semicolon = parsed.separatorAt === -1 ? (parsed.trailingSemicolons[0] ?? -1) : parsed.separatorAt;
  if (semicolon !== -1) {
    throw new InvalidTaskError(`a condition holds no semicolon (character ${semicolon + 1})`);
  }
  if (parsed.unbalancedAt !== -1) {
    throw new InvalidTaskError(
      `the parenthesis at character ${parsed.unbalancedAt + 1} of the condition has no partner`,
    );
  }
  if (parsed.ownParameters > 0) {
    throw new InvalidTaskError('a condition uses ? for its parameters, not $1');
  }
  const parts = [...parsed.parts];
  // The closing parenthesis must not end up inside the comment.
  if (parsed.endsInLineComment) parts[parts.length - 1] += '\n';
  Object.freeze(parts);
  if (text.length <= maxCachedLength) conditions.set(text, parts);
  return parts;
}
