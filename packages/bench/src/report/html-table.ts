import { escapeMarkup } from './markup.js';

export interface Cell {
  text: string;
  /** Of the cell: `mine`, `good`, `bad`. */
  kind?: string;
}

export interface HtmlTable {
  caption: string;
  /** A heading above says it already: it is there for those who do not see the page. */
  isTitled?: boolean;
  head: readonly string[];
  /** The first cell of each is its heading. */
  rows: readonly (readonly (string | Cell)[])[];
  /** Columns that are numbers, and stand to the right. */
  numeric: (column: number) => boolean;
}

/** Characters of a cell beyond which its column is given room: a table that scrolls would make it as narrow as it can. */
const LONG = 40;
const VERY_LONG = 120;

/** It scrolls by itself where it is wider than the page, and can be reached by the keyboard for that. */
export function htmlTable({ caption, isTitled = false, head, rows, numeric }: HtmlTable): string {
  const align = (column: number) => (numeric(column) ? ' class="n"' : '');
  const headings = head
    .map((name, column) => `<th scope="col"${align(column)}>${escapeMarkup(name)}</th>`)
    .join('');
  const classes = head.map((_, column) => {
    const longest = Math.max(0, ...rows.map((row) => textOf(row[column] ?? '').length));
    if (numeric(column)) return 'n';
    return longest > VERY_LONG ? 'll' : longest > LONG ? 'l' : '';
  });
  const body = rows.map(
    (row) => `<tr>${row.map((cell, column) => cellOf(cell, column, classes[column] ?? '')).join('')}</tr>`,
  );
  return `<div class="scroll" role="region" aria-label="${escapeMarkup(caption)}" tabindex="0"><table><caption${isTitled ? ' class="unseen"' : ''}>${escapeMarkup(caption)}</caption><thead><tr>${headings}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function textOf(cell: string | Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function cellOf(cell: string | Cell, column: number, ofColumn: string): string {
  const { text, kind = '' } = typeof cell === 'string' ? { text: cell } : cell;
  const classes = `${ofColumn} ${kind}`.trim();
  const attribute = classes === '' ? '' : ` class="${classes}"`;
  const shown = escapeMarkup(text).replace(/`([^`]+)`/g, '<code>$1</code>');
  return column === 0 ? `<th scope="row"${attribute}>${shown}</th>` : `<td${attribute}>${shown}</td>`;
}
