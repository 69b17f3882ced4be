import type { Shape } from '../operation.js';

/**
 * Distinct shapes that a shard keeps as one object each. Beyond, it starts anew: two objects of one
 * shape are then two groups, which conflict and so run in order.
 */
const MAX_SHAPES = 65_536;

/** One object per shard for each distinct shape, whichever producer it came from. */
export class ShapeInterner {
  readonly #shapes = new Map<string, Shape>();

  intern(shape: Shape): Shape {
    const { kind, table, column, whereText, whereParts, insertColumns } = shape;
    const identity = JSON.stringify([kind, table, column, whereText, whereParts, insertColumns ?? null]);
    const known = this.#shapes.get(identity);
    if (known !== undefined) return known;
    if (this.#shapes.size === MAX_SHAPES) this.#shapes.clear();
    const added: Shape = Object.freeze({ kind, table, column, whereText, whereParts, insertColumns });
    this.#shapes.set(identity, added);
    return added;
  }
}
