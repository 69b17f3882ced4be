/** A PostgreSQL array literal of texts. Every element is quoted, so that none reads as NULL. */
export function arrayLiteral(texts: readonly string[]): string {
  let literal = '{';
  for (const [i, text] of texts.entries()) {
    const escaped = /["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text;
    literal += i === 0 ? `"${escaped}"` : `,"${escaped}"`;
  }
  return `${literal}}`;
}
