/**
 * The one place where names become SQL. Quoting makes any name safe; a table may be `schema.table`.
 */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteTable(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.');
}

/** `table` of `schema.table`: the name by which a condition may qualify its columns. */
export function bareTable(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
