import type { AggregatedGroup, ContentGroup } from '../aggregate/group.js';
import type { AggregatedOperation, PutOperation } from '../operation.js';
import { assignmentOf } from './assignment.js';
import { putStatement } from './put-units.js';
import { contentStatement, separateStatements } from './separate-units.js';
import type { Written } from './statement.js';
import { excerptOf, type TaggedValue, taggedLength, tagValue, untagValue } from './tagged-value.js';

/** A statement as it is kept: values as JSON can hold them. */
export interface KeptStatement {
  readonly text: string;
  readonly values: readonly TaggedValue[];
}

/** What a dead letter keeps of its task. */
export interface DeadLetterTask {
  readonly kind: 'counter' | 'slice' | 'map' | 'content' | 'put';
  readonly table?: string;
  readonly column?: string;
  /** The condition as its caller wrote it, and the values of its placeholders. */
  readonly where?: { readonly text: string; readonly values: readonly TaggedValue[] };
  /** What was to be done to the column: the folded operations, in words. */
  readonly change?: string;
  readonly orInsert?: Readonly<Record<string, TaggedValue>>;
  /** Of a put. */
  readonly key?: string;
  /** What runs it, in one transaction. Empty: it cannot be run. */
  readonly statements: readonly KeptStatement[];
  /** It was too large to be kept: of the longest values only the begin is here, and nothing can be run. */
  readonly isExcerpt?: true;
}

/** JSON of this length is kept; a JavaScript string has about twice as many characters at most. */
const MAX_JSON_CHARS = 256 << 20;
const MAX_CHANGE_CHARS = 1000;
const EXCERPT_CHARS = 1000;
/** Of an operation that was never folded all is kept that someone may want to repair. */
const MAX_OPERAND_CHARS = 1 << 20;

/** What to run, its values as they were. */
export function deadLetterStatements({ statements }: DeadLetterTask): { text: string; values: unknown[] }[] {
  return statements.map(({ text, values }) => ({ text, values: values.map(untagValue) }));
}

export function taskOfGroup(group: Written): DeadLetterTask {
  if (group.kind === 'put') return taskOfPut(group);
  return group.kind === 'content' ? taskOfContent(group) : taskOfAggregated(group);
}

/** One that was never folded: nothing can run it. */
export function taskOfOperation(operation: AggregatedOperation): DeadLetterTask {
  const { shape, op, key, operand = '' } = operation;
  const words = [op, ...(key === undefined ? [] : [JSON.stringify(key)]), String(operand)];
  return {
    ...describe({ shape, ...operation.values() }),
    change: words.join(' ').slice(0, MAX_OPERAND_CHARS),
    statements: [],
  };
}

function taskOfAggregated(group: AggregatedGroup): DeadLetterTask {
  const head = describe(group);
  try {
    return { ...head, change: changeOf(group), ...kept(separateStatements(group)) };
  } catch (error) {
    // No JavaScript string is long enough for it.
    if (error instanceof RangeError) return { ...head, statements: [], isExcerpt: true };
    throw error;
  }
}

function taskOfContent(group: ContentGroup): DeadLetterTask {
  return { kind: 'content', ...kept([contentStatement(group)]) };
}

function taskOfPut(put: PutOperation): DeadLetterTask {
  const head = { kind: 'put', table: 'zmsg_data', column: 'data' } as const;
  return { ...head, key: put.key.slice(0, EXCERPT_CHARS), ...kept([putStatement(put)]) };
}

function describe({
  shape,
  whereValues,
  insertValues,
}: Pick<AggregatedGroup, 'shape' | 'whereValues' | 'insertValues'>): Omit<DeadLetterTask, 'statements'> {
  const { kind, table, column, whereText, insertColumns } = shape;
  const show = (value: unknown) => tagValue(excerptOf(value, EXCERPT_CHARS));
  const inserted = insertColumns?.map((name, i) => [name, show(insertValues?.[i])] as const);
  return {
    kind,
    table,
    column,
    where: { text: whereText, values: whereValues.map(show) },
    ...(inserted === undefined ? {} : { orInsert: Object.fromEntries(inserted) }),
  };
}

function kept(statements: readonly { text: string; values: readonly unknown[] }[]) {
  let length = 0;
  for (const { text, values } of statements) length += taggedLength(text) + taggedLength(values);
  const isExcerpt = length > MAX_JSON_CHARS;
  const shown = (value: unknown) => tagValue(isExcerpt ? excerptOf(value, EXCERPT_CHARS) : value);
  return {
    statements: statements.map(({ text, values }) => ({
      text: isExcerpt ? text.slice(0, EXCERPT_CHARS) : text,
      values: values.slice(0, isExcerpt ? 10 : undefined).map(shown),
    })),
    ...(isExcerpt ? { isExcerpt } : {}),
  } as const;
}

/** `+ 5`, `* 2 + 1`, `add [1]`, `delete ["a"], set {"b":1}`. */
function changeOf(group: AggregatedGroup): string {
  const { form, parameters } = assignmentOf(group);
  const words =
    group.shape.kind === 'counter' ? counterWords(form, parameters) : jsonWords(group, form, parameters);
  return words.length <= MAX_CHANGE_CHARS ? words : `${words.slice(0, MAX_CHANGE_CHARS)}…`;
}

function counterWords(form: string, parameters: readonly string[]): string {
  let n = 0;
  const steps = [...form].map((op) =>
    op === 'a' ? `* ${parameters[n++]} + ${parameters[n++]}` : `${op} ${parameters[n++]}`,
  );
  return steps.join(', then ');
}

function jsonWords({ shape }: AggregatedGroup, form: string, [first, second]: readonly string[]): string {
  const put = shape.kind === 'slice' ? 'add' : 'set';
  if (form === '=') return `= ${first}`;
  if (form === 'tree') return `edit ${first}`;
  return form === '+' ? `${put} ${first}` : `delete ${first}, ${put} ${second}`;
}
