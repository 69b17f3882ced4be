import type { AggregatedGroup } from '../aggregate/group.js';
import type { ShapeColumns } from '../flush/columns.js';
import { CounterFold, type Step } from '../fold/counter.js';
import { formatDecimal } from '../fold/decimal.js';
import type { MapChange } from '../fold/map.js';
import { SliceFold } from '../fold/slice.js';

/**
 * What a group assigns to its column: an expression over the column's value and some parameters, which
 * are texts of one SQL type. Groups with the same `form` differ in their parameters only.
 */
export interface Assignment {
  readonly form: string;
  readonly parameterType: 'numeric' | 'jsonb';
  readonly parameters: readonly string[];
  /**
   * @param column - the value before, evaluated any number of times
   * @param parameter - SQL of the n-th parameter, typed
   */
  expression(column: string, parameter: (n: number) => string): string;
}

export function assignmentOf({ fold, columns }: Pick<AggregatedGroup, 'fold' | 'columns'>): Assignment {
  if (fold instanceof CounterFold) return counterAssignment(fold.steps, columns);
  return fold instanceof SliceFold ? sliceAssignment(fold) : mapAssignment(fold.change);
}

/** The value that an inserted row starts with. */
export const EMPTY: Readonly<Record<AggregatedGroup['shape']['kind'], string>> = {
  counter: '0',
  slice: `'[]'::jsonb`,
  map: `'{}'::jsonb`,
};

/**
 * The operands are `numeric`: what comes out is rounded to an integer column as an assignment rounds,
 * and becomes a double beside a float. The cast between two steps does what storing would have done.
 */
function counterAssignment(steps: readonly Step[], { type }: ShapeColumns): Assignment {
  return {
    form: steps.map(({ op }) => op).join(''),
    parameterType: 'numeric',
    parameters: steps.flatMap(({ operands }) => operands.map(formatDecimal)),
    expression: (column, parameter) => {
      let value = column;
      let n = 0;
      for (const [i, { op, operands }] of steps.entries()) {
        if (i > 0) value = `(${value})::${type}`;
        const [a, b] = operands.map(() => parameter(n++)) as [string, string];
        const base = i > 0 ? value : `COALESCE(${value}, 0)`;
        if (op === '=') value = a;
        else if (op === 'a') value = `${base} * ${a} + ${b}`;
        else value = `${base} ${op} ${a}`;
      }
      return value;
    },
  };
}

/** A value that is no array counts as an empty one: it would stop the whole statement. */
function sliceAssignment({ isCleaned, hasDeletions, deletions, additions }: SliceFold): Assignment {
  if (isCleaned) return jsonAssignment('=', [additions], (_, p) => p(0));
  const base = (column: string) => `CASE WHEN jsonb_typeof(${column}) = 'array' THEN ${column} ELSE '[]' END`;
  if (!hasDeletions) return jsonAssignment('+', [additions], (column, p) => `${base(column)} || ${p(0)}`);
  return jsonAssignment(
    '-+',
    [deletions, additions],
    (column, p) =>
      `(SELECT COALESCE(jsonb_agg(e.v ORDER BY e.i), '[]') ` +
      `FROM jsonb_array_elements(${base(column)}) WITH ORDINALITY AS e(v, i) ` +
      `WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(${p(0)}) AS d(v) WHERE d.v = e.v)) || ${p(1)}`,
  );
}

/** A value that is no object counts as an empty one, here as in `zmsg_map_edit`. */
function mapAssignment(change: MapChange): Assignment {
  const base = (column: string) =>
    `CASE WHEN jsonb_typeof(${column}) = 'object' THEN ${column} ELSE '{}' END`;
  switch (change.form) {
    case 'value':
      return jsonAssignment('=', [change.value], (_, p) => p(0));
    case 'tree':
      return jsonAssignment('tree', [change.edits], (column, p) => `zmsg_map_edit(${column}, ${p(0)})`);
    case 'keys': {
      const { deletions, sets } = change;
      if (deletions === undefined) {
        return jsonAssignment('+', [sets], (column, p) => `${base(column)} || ${p(0)}`);
      }
      return jsonAssignment(
        '-+',
        [deletions, sets],
        (column, p) => `(${base(column)} - ARRAY(SELECT jsonb_array_elements_text(${p(0)}))) || ${p(1)}`,
      );
    }
  }
}

function jsonAssignment(
  form: string,
  parameters: readonly string[],
  expression: Assignment['expression'],
): Assignment {
  return { form, parameterType: 'jsonb', parameters, expression };
}
