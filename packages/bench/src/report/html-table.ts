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

/** It scrolls by itself where it is wider than the page, and can be reached by the keyboard for that. */
export function htmlTable({ caption, isTitled = false, head, rows, numeric }: HtmlTable): string {
  const align = (column: number) => (numeric(column) ? ' class="n"' : '');
  const headings = head
    .map((name, column) => `<th scope="col"${align(column)}>${escapeMarkup(name)}</th>`)
    .join('');
  const body = rows.map(
    (row) => `<tr>${row.map((cell, column) => cellOf(cell, column, numeric)).join('')}</tr>`,
  );
  return `<div class="scroll" role="region" aria-label="${escapeMarkup(caption)}" tabindex="0"><table><caption${isTitled ? ' class="unseen"' : ''}>${escapeMarkup(caption)}</caption><thead><tr>${headings}</tr></thead><tbody>${body.join('')}</tbody></table></div>`;
}

function cellOf(cell: string | Cell, column: number, numeric: (column: number) => boolean): string {
  const { text, kind = '' } = typeof cell === 'string' ? { text: cell } : cell;
  const classes = [numeric(column) ? 'n' : '', kind].filter((each) => each !== '').join(' ');
  const attribute = classes === '' ? '' : ` class="${classes}"`;
  const shown = escapeMarkup(text).replace(/`([^`]+)`/g, '<code>$1</code>');
  return column === 0 ? `<th scope="row"${attribute}>${shown}</th>` : `<td${attribute}>${shown}</td>`;
}
