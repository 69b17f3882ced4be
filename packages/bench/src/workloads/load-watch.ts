import { postNumber } from './post.js';

/**
 * Loads from the database, told by the contenders' own loaders. A read during which a load of its key ended
 * was not a hit: it did the load, or waited for the one that another read did.
 */
export class LoadWatch {
  readonly #ended: number[] = [];
  total = 0;

  loaded(id: string): void {
    const post = postNumber(id);
    this.#ended[post] = this.endedOf(post) + 1;
    this.total += 1;
  }

  endedOf(post: number): number {
    return this.#ended[post] ?? 0;
  }
}
