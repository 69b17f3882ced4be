import type { AggregatedOperation } from '../operation.js';
import { canonicalJson } from './json.js';

/**
 * Folds operations on a JSONB array into (clean?, deletions from the base, additions): the base, or
 * nothing after a `clean`, without the deletions, then the additions. Equality is JSONB's.
 */
export class SliceFold {
  #isCleaned = false;
  /** Text by canonical text. */
  readonly #deletions = new Map<string, string>();
  #additions: string[] = [];
  /** Canonical texts of the first additions: only a deletion needs them. */
  #canonical: string[] = [];

  /** Always true: a slice takes any number. Throws `InvalidTaskError` for what is no JSON. */
  add({ op, operand }: Pick<AggregatedOperation, 'op' | 'operand'>): boolean {
    if (op === 'add') this.#additions.push(operand as string);
    else if (op === 'del') this.#delete(operand as string);
    else this.#clean();
    return true;
  }

  get isCleaned(): boolean {
    return this.#isCleaned;
  }

  get hasDeletions(): boolean {
    return this.#deletions.size > 0;
  }

  /** JSON array of the values to take out of the base. */
  get deletions(): string {
    return `[${[...this.#deletions.values()].join(',')}]`;
  }

  /** JSON array of the values to append. */
  get additions(): string {
    return `[${this.#additions.join(',')}]`;
  }

  #delete(text: string): void {
    const deleted = canonicalJson(text);
    if (!this.#isCleaned && !this.#deletions.has(deleted)) this.#deletions.set(deleted, text);
    const canonical = this.#canonical;
    for (let i = canonical.length; i < this.#additions.length; i++) {
      canonical.push(canonicalJson(this.#additions[i] as string));
    }
    if (!canonical.includes(deleted)) return;
    this.#additions = this.#additions.filter((_, i) => canonical[i] !== deleted);
    this.#canonical = canonical.filter((each) => each !== deleted);
  }

  #clean(): void {
    this.#isCleaned = true;
    this.#deletions.clear();
    this.#additions = [];
    this.#canonical = [];
  }
}
