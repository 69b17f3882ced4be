import type { Feed } from './feed.js';
import { readTrace } from './trace.js';
import { TraceError } from './trace-error.js';

/** Every so many accesses of a key, one is a like. */
const LIKE_EVERY = 10;
/** Distinct keys of a trace: some 150 bytes of memory each. */
const MAX_KEYS = 5_000_000;

/**
 * The load of an access trace: each access is a read of the post of its key, every 10th access of a key
 * is a like. Posts are made when their key is first seen, block by block, ahead of the replay.
 */
export class TraceLoad {
  readonly #feed: Feed;
  readonly #file: string;
  readonly #postOfKey = new Map<number, number>();
  /** Accesses so far, by post. */
  #accesses = new Uint32Array(1 << 16);

  constructor(feed: Feed, file: string) {
    this.#feed = feed;
    this.#file = file;
  }

  /** Distinct keys seen so far: posts made. */
  get keys(): number {
    return this.#postOfKey.size;
  }

  /** Blocks of post numbers in the order of the trace; their posts exist. */
  async *blocks(): AsyncGenerator<Uint32Array, void, void> {
    for await (const keys of readTrace(this.#file)) {
      const before = this.#postOfKey.size;
      const posts = keys.map((key) => this.#postOf(key));
      const added = this.#postOfKey.size - before;
      if (this.#postOfKey.size > MAX_KEYS) {
        throw new TraceError(this.#file, `it has more than ${MAX_KEYS} distinct keys`);
      }
      if (added > 0) await this.#feed.insertPosts(added);
      yield posts;
    }
  }

  /** Starts the operation of one access. */
  access(post: number): Promise<void> {
    const count = (this.#accesses[post] ?? 0) + 1;
    this.#accesses[post] = count;
    return count % LIKE_EVERY === 0 ? this.#feed.like(post) : this.#feed.read(post);
  }

  #postOf(key: number): number {
    const known = this.#postOfKey.get(key);
    if (known !== undefined) return known;
    const post = this.#postOfKey.size;
    this.#postOfKey.set(key, post);
    if (post >= this.#accesses.length) {
      const larger = new Uint32Array(this.#accesses.length * 2);
      larger.set(this.#accesses);
      this.#accesses = larger;
    }
    return post;
  }
}
