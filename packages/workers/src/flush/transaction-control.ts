const SKIPPED = /(?:\s|--[^\n]*(?:\n|$)|;)+/y;
const CONTROL =
  /(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction|copy\b[^;]*\bfrom\s+stdin)\b/iy;

/**
 * True for a statement that would end, or break up, the transaction that a flush writes in, and for
 * COPY FROM STDIN, which waits for data that nobody sends.
 */
export function isTransactionControl(text: string): boolean {
  let at = 0;
  for (let before = -1; before !== at; ) {
    before = at;
    SKIPPED.lastIndex = at;
    at += SKIPPED.exec(text)?.[0].length ?? 0;
    if (text.startsWith('/*', at)) at = endOfComment(text, at);
  }
  CONTROL.lastIndex = at;
  return CONTROL.test(text);
}

/** Comments nest. */
function endOfComment(text: string, start: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = start;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === '/*' ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}
