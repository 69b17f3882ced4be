import { InvalidTaskError } from '../error.js';
import type { AggregatedOperation } from '../operation.js';
import { formatJson, type JsonValue, parseJson } from './json.js';

/** What happens to the value at one place of the tree. A merge into anything but an object starts at `{}`. */
type Edit =
  | { readonly kind: 'replace'; readonly value: JsonValue }
  | { readonly kind: 'delete' }
  | { readonly kind: 'merge'; readonly edits: Map<string, Edit> };

type Merge = Extract<Edit, { kind: 'merge' }>;

/** The folded edits in the form that takes the least work in the database. */
export type MapChange =
  /** The whole value is known. */
  | { readonly form: 'value'; readonly value: string }
  /** Keys to delete (JSON array), then keys to set (JSON object). */
  | { readonly form: 'keys'; readonly deletions: string | undefined; readonly sets: string }
  /** A tree for `zmsg_map_edit`. */
  | { readonly form: 'tree'; readonly edits: string };

/** Folds operations on a JSONB object into a tree of edits. */
export class MapFold {
  #root: Edit = { kind: 'merge', edits: new Map() };

  /** Always true: a map takes any number. Throws `InvalidTaskError` for what is no JSON. */
  add({ op, operand, key }: Pick<AggregatedOperation, 'op' | 'operand' | 'key'>): boolean {
    this.#root = compose(this.#root, editOf(op, operand as string, key as string));
    return true;
  }

  get change(): MapChange {
    const root = this.#root;
    if (root.kind === 'replace') return { form: 'value', value: formatJson(root.value) };
    if (root.kind === 'delete') throw new Error('a map as a whole is never deleted');
    const deletions: string[] = [];
    const sets = new Map<string, JsonValue>();
    for (const [key, edit] of root.edits) {
      if (edit.kind === 'merge') return { form: 'tree', edits: formatEdits(root) };
      if (edit.kind === 'delete') deletions.push(JSON.stringify(key));
      else sets.set(key, edit.value);
    }
    return {
      form: 'keys',
      deletions: deletions.length > 0 ? `[${deletions.join(',')}]` : undefined,
      sets: formatJson(sets),
    };
  }
}

function editOf(op: AggregatedOperation['op'], operand: string, key: string): Edit {
  if (op === 'clean') return { kind: 'replace', value: new Map() };
  if (op === 'del') return { kind: 'merge', edits: new Map([[key, { kind: 'delete' }]]) };
  const value = parseJson(operand);
  if (op === 'merge') {
    if (!(value instanceof Map)) throw new InvalidTaskError('only a JSON object can be merged into a map');
    return mergeOf(value);
  }
  return { kind: 'merge', edits: new Map([[key, { kind: 'replace', value }]]) };
}

function mergeOf(patch: JsonValue): Edit {
  if (!(patch instanceof Map)) return { kind: 'replace', value: patch };
  const edits = new Map<string, Edit>();
  for (const [key, value] of patch) edits.set(key, mergeOf(value));
  return { kind: 'merge', edits };
}

/** The edit that does `first`, then `next`. Takes over both. */
function compose(first: Edit | undefined, next: Edit): Edit {
  if (next.kind !== 'merge' || first === undefined) return next;
  if (first.kind === 'replace') return { kind: 'replace', value: apply(first.value, next) };
  if (first.kind === 'delete') return { kind: 'replace', value: apply(undefined, next) };
  for (const [key, edit] of next.edits) first.edits.set(key, compose(first.edits.get(key), edit));
  return first;
}

function apply(value: JsonValue | undefined, { edits }: Merge): JsonValue {
  const members = value instanceof Map ? value : new Map<string, JsonValue>();
  for (const [key, edit] of edits) {
    if (edit.kind === 'delete') members.delete(key);
    else members.set(key, edit.kind === 'replace' ? edit.value : apply(members.get(key), edit));
  }
  return members;
}

function formatEdits({ edits }: Merge): string {
  const nodes: string[] = [];
  for (const [key, edit] of edits) nodes.push(`${JSON.stringify(key)}:${formatEdit(edit)}`);
  return `{${nodes.join(',')}}`;
}

function formatEdit(edit: Edit): string {
  if (edit.kind === 'delete') return '{"d":true}';
  return edit.kind === 'replace' ? `{"r":${formatJson(edit.value)}}` : `{"m":${formatEdits(edit)}}`;
}
