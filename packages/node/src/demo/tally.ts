export const ACTIONS = ['read', 'like', 'tag', 'extra', 'follow', 'post'] as const;

export type Action = (typeof ACTIONS)[number];

/** What a run did, by action. */
export class Tally {
  readonly done: Record<Action, number> = { read: 0, like: 0, tag: 0, extra: 0, follow: 0, post: 0 };
  readonly failed: Record<Action, number> = { read: 0, like: 0, tag: 0, extra: 0, follow: 0, post: 0 };
  /** Reads of posts that exist and were answered with nothing. */
  notFound = 0;
  /** Reads of posts that were answered with another value than was written. */
  wrongValue = 0;
  /** Reads whose value was compared with what was written. */
  compared = 0;
  /** The first failure, to be shown. */
  firstError: unknown;

  fail(action: Action, error: unknown): void {
    this.failed[action] += 1;
    this.firstError ??= error;
  }

  get operations(): number {
    let sum = 0;
    for (const action of ACTIONS) sum += this.done[action];
    return sum;
  }

  get failures(): number {
    let sum = 0;
    for (const action of ACTIONS) sum += this.failed[action];
    return sum;
  }

  /** Operations that the shards take. */
  get periodicWrites(): number {
    return this.done.like + this.done.tag + this.done.extra + this.done.follow;
  }
}
