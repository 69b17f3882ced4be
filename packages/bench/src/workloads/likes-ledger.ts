interface Bucket {
  /** All of its likes were acknowledged before. */
  untilMs: number;
  posts: number[];
}

const BUCKET_MS = 100;

/**
 * The likes of each post that were asked for and those that were acknowledged; of the latter also how many
 * were acknowledged so long ago that every value that is read must show them.
 */
export class LikesLedger {
  readonly #allowedAgeMs: number;
  readonly #submitted: number[] = [];
  readonly #acknowledged: number[] = [];
  readonly #due: number[] = [];
  /** Oldest first; what lies in them is not due. */
  readonly #recent: Bucket[] = [];
  total = 0;

  /** @param allowedAgeMs how old the count in a value may be */
  constructor(allowedAgeMs: number) {
    this.#allowedAgeMs = allowedAgeMs;
  }

  /** Likes become due only here: a look at the clock per read would be a large part of a read. */
  tick(nowMs: number): void {
    for (;;) {
      const oldest = this.#recent[0];
      if (oldest === undefined || oldest.untilMs + this.#allowedAgeMs > nowMs) return;
      for (const post of oldest.posts) this.#due[post] = this.due(post) + 1;
      this.#recent.shift();
    }
  }

  submit(post: number): void {
    this.#submitted[post] = this.submitted(post) + 1;
  }

  acknowledge(post: number, nowMs: number): void {
    this.#acknowledged[post] = this.acknowledged(post) + 1;
    this.total += 1;
    const newest = this.#recent.at(-1);
    if (newest !== undefined && nowMs <= newest.untilMs) newest.posts.push(post);
    else this.#recent.push({ untilMs: nowMs + BUCKET_MS, posts: [post] });
  }

  submitted(post: number): number {
    return this.#submitted[post] ?? 0;
  }

  acknowledged(post: number): number {
    return this.#acknowledged[post] ?? 0;
  }

  /** What a read that begins now must show at least. */
  due(post: number): number {
    return this.#due[post] ?? 0;
  }
}
