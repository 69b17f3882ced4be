import type { AggregatedGroup, ContentGroup, Target } from '../aggregate/group.js';
import { assignmentOf, EMPTY } from './assignment.js';
import { quoteIdentifier, quoteTable } from './identifier.js';
import type { FlushStatement } from './statement.js';
import { type FlushUnit, singleUnit } from './unit.js';

/** One group, its condition as the caller wrote it: exact for whatever PostgreSQL takes. */
export function separateUnit(group: AggregatedGroup): FlushUnit {
  return singleUnit(group, () => separateStatements(group));
}

export function contentUnit(group: ContentGroup): FlushUnit {
  return singleUnit(group, () => [contentStatement(group)]);
}

export function separateStatements(group: AggregatedGroup): FlushStatement[] {
  const { shape } = group;
  const update = updateStatement(group);
  return shape.insertColumns === undefined ? [update] : [insertStatement(group, shape.insertColumns), update];
}

export function contentStatement(group: ContentGroup): FlushStatement {
  return { text: group.text, values: group.values, unmatched: 'count', groups: [group] };
}

/** The condition's text with its parameters numbered from `first`. A comment at its end stays inside its line. */
export function conditionText({ shape }: Pick<Target, 'shape'>, first: number): string {
  return `${shape.whereParts.map((part, i) => (i === 0 ? part : `$${first + i - 1}${part}`)).join('')}\n`;
}

function updateStatement(group: AggregatedGroup): FlushStatement {
  const { shape, whereValues } = group;
  const { parameters, parameterType, expression } = assignmentOf(group);
  const column = quoteIdentifier(shape.column);
  const value = expression(column, (n) => `$${n + 1}::${parameterType}`);
  const condition = conditionText(group, parameters.length + 1);
  return {
    text: `UPDATE ${quoteTable(shape.table)} SET ${column} = ${value} WHERE ${condition}`,
    values: [...parameters, ...whereValues],
    unmatched: 'count',
    groups: [group],
  };
}

function insertStatement(group: AggregatedGroup, insertColumns: readonly string[]): FlushStatement {
  const { shape, columns, whereValues, insertValues = [] } = group;
  const names = [...insertColumns];
  const given = names.map((_, i) => {
    const type = columns.insertTypes[i];
    return type === undefined ? `$${i + 1}` : `$${i + 1}::${type}`;
  });
  if (!names.includes(shape.column)) {
    names.push(shape.column);
    given.push(EMPTY[shape.kind]);
  }
  const table = quoteTable(shape.table);
  const condition = conditionText(group, insertColumns.length + 1);
  return {
    text:
      `INSERT INTO ${table} (${names.map(quoteIdentifier).join(', ')}) SELECT ${given.join(', ')} ` +
      `WHERE NOT EXISTS (SELECT FROM ${table} WHERE ${condition}) ON CONFLICT DO NOTHING`,
    values: [...insertValues, ...whereValues],
    unmatched: 'never',
    groups: [group],
  };
}
