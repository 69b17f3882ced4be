import type { NodeName } from './audit-message.js';

interface Known {
  name: NodeName | undefined;
  asked: number;
  answered: number;
  /** Looks in a row. */
  missed: number;
}

/** A node that missed so many looks in a row is not waited for any more. */
const MAX_MISSED = 3;

/** The nodes that an audit has met, and how they answer. */
export class Roster {
  readonly #nodes = new Map<string, Known>();
  #present: ReadonlySet<string> = new Set();

  /** Those that are there now. */
  get present(): ReadonlySet<string> {
    return this.#present;
  }

  /** Those of them whose answers are worth waiting for. */
  get responsive(): ReadonlySet<string> {
    return new Set([...this.#present].filter((instance) => this.#node(instance).missed < MAX_MISSED));
  }

  meet(present: ReadonlySet<string>): void {
    this.#present = present;
    for (const instance of present) this.#node(instance);
  }

  name(instance: string, name: NodeName): void {
    this.#node(instance).name = name;
  }

  /** A look was asked for. */
  count(answered: ReadonlySet<string>): void {
    for (const instance of new Set([...this.#present, ...answered])) {
      const node = this.#node(instance);
      node.asked += 1;
      if (answered.has(instance)) {
        node.answered += 1;
        node.missed = 0;
      } else node.missed += 1;
    }
  }

  list(): { instance: string; name: NodeName | undefined; asked: number; answered: number }[] {
    return [...this.#nodes].map(([instance, { name, asked, answered }]) => ({
      instance,
      name,
      asked,
      answered,
    }));
  }

  #node(instance: string): Known {
    let node = this.#nodes.get(instance);
    if (node === undefined) {
      node = { name: undefined, asked: 0, answered: 0, missed: 0 };
      this.#nodes.set(instance, node);
    }
    return node;
  }
}
