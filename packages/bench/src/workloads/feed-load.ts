import { type Random, Zipf } from '@zmsg/node';

export type Operation =
  | { kind: 'read' | 'like'; post: number }
  /** A new post, which takes the place of the one at this rank when it is stored. */
  | { kind: 'post'; rank: number };

/** Shares of all operations, 0 to 1; what is left are reads. */
export interface Mix {
  likes: number;
  posts: number;
}

export interface FeedLoadOptions extends Mix {
  /** Posts that exist at the start. */
  size: number;
  /** Exponent of Zipf's law. */
  skew: number;
  random: Random;
}

/**
 * Popularity by Zipf's law, with churn: a new post takes the rank that the law draws for it, and the post that
 * was there is not asked for any more. So what is popular drifts to what is new, as in a feed, the sooner the
 * more popular it was; a cache that only knows what was popular once goes on missing.
 */
export class FeedLoad {
  readonly #options: FeedLoadOptions;
  readonly #ranks: Zipf;
  /** The post at each rank. */
  readonly #ranking: Uint32Array;

  constructor(options: FeedLoadOptions) {
    this.#options = options;
    this.#ranks = new Zipf(options.size, options.skew, options.random);
    this.#ranking = Uint32Array.from({ length: options.size }, (_, rank) => rank);
  }

  next(): Operation {
    const { likes, posts, random } = this.#options;
    const draw = random.fraction();
    const rank = this.#ranks.next();
    if (draw < posts) return { kind: 'post', rank };
    return { kind: draw < posts + likes ? 'like' : 'read', post: this.at(rank) };
  }

  published(post: number, rank: number): void {
    this.#ranking[rank] = post;
  }

  /** The post that is asked for at this rank. */
  at(rank: number): number {
    return this.#ranking[rank] as number;
  }
}
