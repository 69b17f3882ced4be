/** Widths in em of a wide sans serif (DejaVu Sans): SVG does not wrap, so it is better to be too careful. */
function widthOf(character: string): number {
  if ((character.codePointAt(0) as number) > 0x2e80) return 1.05;
  if (/[iljtfI.,:;'|!()[\] -]/.test(character)) return 0.39;
  if (/[mwMW@%—→≥≤×]/.test(character)) return 0.95;
  if (/[A-Z0-9<>=+"&#$]/.test(character)) return 0.72;
  return 0.62;
}

export function textWidth(text: string, size: number): number {
  return [...text].reduce((sum, character) => sum + widthOf(character), 0) * size;
}

/** At most `lines` lines of at most `width`, broken at spaces where there are any; the last may end with an ellipsis. */
export function fitText(text: string, width: number, size: number, lines = 1): string[] {
  const fitted: string[] = [];
  let rest = text.replace(/\s+/g, ' ').trim();
  while (rest !== '') {
    const isLast = fitted.length === lines - 1;
    if (textWidth(rest, size) <= width) return [...fitted, rest];
    const room = fitting(rest, width - (isLast ? size : 0), size);
    if (isLast) return [...fitted, `${rest.slice(0, room).trimEnd()}…`];
    const space = rest.lastIndexOf(' ', room);
    const end = space > room / 2 ? space : room;
    fitted.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return fitted;
}

/** How many UTF-16 units of it, no pair divided and at least one character. */
function fitting(text: string, width: number, size: number): number {
  let end = 0;
  let used = 0;
  for (const character of text) {
    used += widthOf(character) * size;
    if (used > width && end > 0) break;
    end += character.length;
  }
  return end;
}
