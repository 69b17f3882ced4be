import {
  type AggregatedOperation,
  addDecimals,
  type Decimal,
  negateDecimal,
  type Operation,
  parseDecimal,
  type Shape,
  ShapeInterner,
  ZERO,
} from '@zmsg/workers/log';

/** What is to be added to the rows of one condition. */
export interface PendingChange {
  readonly whereValues: readonly unknown[];
  /** Of operations that were in the log before the database was looked at. */
  early: Decimal;
  /** Of all operations in the log. */
  all: Decimal;
  /** Of dead letters. */
  dead: Decimal;
  /** False: there is something else than additions. */
  isPlain: boolean;
}

/**
 * What has been acknowledged and is not in the rows yet, per shape and condition values: at most as many
 * entries as a node has groups pending, or there are dead letters.
 */
export class PendingChanges {
  readonly interner = new ShapeInterner();
  readonly #byShape = new Map<Shape, Map<string, PendingChange>>();
  /** Texts of pending statements of the caller's, in lower case. */
  readonly statements = new Set<string>();

  get shapes(): Shape[] {
    return [...this.#byShape.keys()];
  }

  of(shape: Shape): Iterable<PendingChange> {
    return this.#byShape.get(shape)?.values() ?? [];
  }

  addOperation(operation: Operation, isEarly: boolean): void {
    if (operation.kind === 'content') this.statements.add(operation.text.toLowerCase());
    if (operation.kind !== 'aggregated') return;
    const { shape, rawKey } = operation;
    // Of slices and maps only the row matters that they may insert.
    if (shape.kind !== 'counter' && shape.insertColumns === undefined) return;
    const change = this.#change(shape, rawKey, () => operation.values().whereValues);
    const delta = deltaOf(operation);
    if (delta === undefined) change.isPlain = false;
    else {
      change.all = addDecimals(change.all, delta);
      if (isEarly) change.early = addDecimals(change.early, delta);
    }
  }

  /** `delta` undefined: it is more than an addition. */
  addDeadLetter(shape: Shape, whereValues: readonly unknown[], delta: Decimal | undefined): void {
    const id = JSON.stringify(whereValues, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    // No key of an operation begins like this one.
    const change = this.#change(this.interner.intern(shape), `dead letter ${id}`, () => whereValues);
    if (delta === undefined) change.isPlain = false;
    else change.dead = addDecimals(change.dead, delta);
  }

  #change(shape: Shape, id: string, whereValues: () => readonly unknown[]): PendingChange {
    let changes = this.#byShape.get(shape);
    if (changes === undefined) {
      changes = new Map();
      this.#byShape.set(shape, changes);
    }
    let change = changes.get(id);
    if (change === undefined) {
      change = { whereValues: whereValues(), early: ZERO, all: ZERO, dead: ZERO, isPlain: true };
      changes.set(id, change);
    }
    return change;
  }
}

function deltaOf({ shape, op, operand }: AggregatedOperation): Decimal | undefined {
  // The row that is inserted may begin with another value than zero.
  if (shape.kind !== 'counter' || shape.insertColumns?.includes(shape.column) === true) return undefined;
  if ((op !== 'inc' && op !== 'dec') || operand === undefined) return undefined;
  try {
    const amount = parseDecimal(operand);
    return op === 'inc' ? amount : negateDecimal(amount);
  } catch {
    return undefined; // the fold will refuse it
  }
}
