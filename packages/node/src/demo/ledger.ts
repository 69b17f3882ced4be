import { CounterLedger } from './counter-ledger.js';

/**
 * What the engine was asked to write, kept in this process: the check compares it with PostgreSQL.
 * Posts and users go by number, in the order in which they were made. Bounded by posts × (tags and
 * extra keys of a post), which the feed bounds in turn.
 */
export class Ledger {
  readonly likes = new CounterLedger();
  readonly followers = new CounterLedger();
  /** Tags that a post should have, in order. */
  readonly tags = new Map<number, string[]>();
  readonly extra = new Map<number, Map<string, number>>();
  tagOperations = 0;
  extraOperations = 0;
  /**
   * Posts whose tags or extra got a write that was not acknowledged: it may have happened or not, so
   * what they should be is unknown.
   */
  readonly uncertain = new Set<number>();
  readonly #postIds: string[] = [];
  readonly #userIds: string[] = [];
  /** Posts that were submitted one by one and refused: they may be there or not. */
  readonly refusedPosts = new Set<string>();

  get posts(): number {
    return this.#postIds.length;
  }

  get users(): number {
    return this.#userIds.length;
  }

  /** Posts that are in PostgreSQL. Gives the number of the first. */
  addPosts(ids: readonly string[]): number {
    const first = this.#postIds.length;
    for (const id of ids) this.#postIds.push(id);
    this.likes.addRows(ids.length);
    return first;
  }

  addUsers(ids: readonly string[]): void {
    for (const id of ids) this.#userIds.push(id);
    this.followers.addRows(ids.length);
  }

  postId(post: number): string {
    return this.#postIds[post] as string;
  }

  userId(user: number): string {
    return this.#userIds[user] as string;
  }

  addTag(post: number, tag: string): void {
    const tags = this.tags.get(post);
    if (tags === undefined) this.tags.set(post, [tag]);
    else tags.push(tag);
    this.tagOperations += 1;
  }

  /** The oldest tag of the post, taken out, if it has at least `limit` of them. */
  takeOldestTag(post: number, limit: number): string | undefined {
    const tags = this.tags.get(post);
    if (tags === undefined || tags.length < limit) return undefined;
    this.tagOperations += 1;
    return tags.shift();
  }

  setExtra(post: number, key: string, value: number): void {
    let extra = this.extra.get(post);
    if (extra === undefined) {
      extra = new Map();
      this.extra.set(post, extra);
    }
    extra.set(key, value);
    this.extraOperations += 1;
  }
}
