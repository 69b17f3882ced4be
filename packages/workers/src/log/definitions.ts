/** Where a definition stands in the current segment, by position of the operations around it. */
interface Use {
  /** Of the operation that it was written before. */
  writtenAt: number;
  /** Of the last operation that needs it. */
  usedAt: number;
}

/**
 * The definitions that the current segment holds, by producer and object. What is forgotten is written
 * again before its next use.
 */
export class Definitions {
  readonly #byProducer = new Map<number, Map<Uint8Array, Use>>();
  // Most operations come from the producer of the one before, and need the same definition.
  #producer = -1;
  #uses: Map<Uint8Array, Use> | undefined;
  #last: Uint8Array | undefined;
  #lastUse: Use | undefined;

  /** Notes that the operation at `position` needs it. True if it must be written before that one. */
  use(producer: number, definition: Uint8Array, position: number): boolean {
    if (producer !== this.#producer) this.#select(producer);
    if (definition === this.#last && this.#lastUse !== undefined) {
      this.#lastUse.usedAt = position;
      return false;
    }
    const uses = this.#uses as Map<Uint8Array, Use>;
    let use = uses.get(definition);
    const isNew = use === undefined;
    if (use === undefined) {
      use = { writtenAt: position, usedAt: position };
      uses.set(definition, use);
    } else {
      use.usedAt = position;
    }
    this.#last = definition;
    this.#lastUse = use;
    return isNew;
  }

  /**
   * Those of a producer that were written up to position `base` and are needed by a later operation.
   * One written later than that still stands before its first use. All of those that are given apply at
   * the same time: a producer that uses an id for another definition never uses the old one again.
   */
  *neededFrom(base: number, producer: number): Generator<Uint8Array> {
    for (const [definition, use] of this.#byProducer.get(producer) ?? []) {
      if (use.writtenAt <= base && use.usedAt > base) yield definition;
    }
  }

  /** A new segment begins behind `base`: forgets what nothing behind it needs. */
  rotate(base: number): void {
    this.#keep((use) => use.usedAt > base);
  }

  /** What was collected behind `position` is dropped. */
  drop(position: number): void {
    this.#keep((use) => {
      use.usedAt = Math.min(use.usedAt, position);
      return use.writtenAt <= position;
    });
  }

  #keep(isKept: (use: Use) => boolean): void {
    for (const [producer, uses] of this.#byProducer) {
      for (const [definition, use] of uses) if (!isKept(use)) uses.delete(definition);
      if (uses.size === 0) this.#byProducer.delete(producer);
    }
    this.#producer = -1;
    this.#last = undefined;
  }

  #select(producer: number): void {
    let uses = this.#byProducer.get(producer);
    if (uses === undefined) {
      uses = new Map();
      this.#byProducer.set(producer, uses);
    }
    this.#producer = producer;
    this.#uses = uses;
    this.#last = undefined;
  }
}
