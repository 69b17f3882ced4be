import type { Feed } from './feed.js';
import type { Random } from './random.js';
import { Zipf } from './zipf.js';

/** Share of each action, in 1/1000. What is left are reads. */
const PER_MILLE = { like: 80, tag: 7, extra: 3, follow: 5, post: 5 } as const;

const LIKES_END = PER_MILLE.like;
const TAGS_END = LIKES_END + PER_MILLE.tag;
const EXTRAS_END = TAGS_END + PER_MILLE.extra;
const FOLLOWS_END = EXTRAS_END + PER_MILLE.follow;
const POSTS_END = FOLLOWS_END + PER_MILLE.post;

export interface ZipfLoadOptions {
  /** Posts that exist at the start, at least 1. */
  posts: number;
  users: number;
  skew: number;
  random: Random;
}

/**
 * The generated load: 90 % reads, 8 % likes, 0.7 % tags, 0.3 % extra, 0.5 % follows, 0.5 % new posts;
 * popularity by Zipf's law. A new post takes the rank that the law draws for it, and the post that was
 * there is not asked for any more: so what is popular changes, as in a feed.
 */
export class ZipfLoad {
  readonly #feed: Feed;
  readonly #random: Random;
  readonly #postRank: Zipf;
  readonly #userRank: Zipf;
  /** The post at each rank. */
  readonly #ranking: Uint32Array;

  constructor(feed: Feed, options: ZipfLoadOptions) {
    this.#feed = feed;
    this.#random = options.random;
    this.#postRank = new Zipf(options.posts, options.skew, options.random);
    this.#userRank = new Zipf(options.users, options.skew, options.random);
    this.#ranking = Uint32Array.from({ length: options.posts }, (_, i) => i);
  }

  /** Starts the next operation. */
  next(): Promise<void> {
    const draw = this.#random.below(1000);
    const rank = this.#postRank.next();
    const post = this.#ranking[rank] as number;
    if (draw >= POSTS_END) return this.#feed.read(post);
    if (draw < LIKES_END) return this.#feed.like(post);
    if (draw < TAGS_END) return this.#feed.tag(post);
    if (draw < EXTRAS_END) return this.#feed.annotate(post);
    if (draw < FOLLOWS_END) return this.#feed.follow(this.#userRank.next());
    return this.#feed.publish((published) => {
      this.#ranking[rank] = published;
    });
  }
}
