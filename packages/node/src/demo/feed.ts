import { counter, map, slice, sql, type ZMsg } from '@zmsg/core';
import type { Ledger } from './ledger.js';
import { postText } from './post-text.js';
import { ANALYZE_TABLES, INSERT_POST, INSERT_POSTS } from './schema.js';
import type { Tally } from './tally.js';

/** Rows of one INSERT of many posts. */
const INSERT_ROWS = 2_000;
const TAGS_PER_POST = 16;
const EXTRA_KEYS = ['lang', 'mood', 'place', 'pinned'] as const;
/** One read of this many is compared with what was written. */
const COMPARE_EVERY = 64;

/**
 * The application: a social feed over the engine. Every call books what it asks for in the ledger;
 * those of the load (all but `addUsers` and `insertPosts`) never reject, failures are counted.
 */
export class Feed {
  readonly #zm: ZMsg;
  readonly #ledger: Ledger;
  readonly #tally: Tally;
  #reads = 0;
  #tags = 0;
  #extras = 0;

  constructor(zm: ZMsg, ledger: Ledger, tally: Tally) {
    this.#zm = zm;
    this.#ledger = ledger;
    this.#tally = tally;
  }

  addUsers(count: number): void {
    this.#ledger.addUsers(Array.from({ length: count }, () => this.#zm.nextId('user')));
  }

  /** Makes posts with as few statements as is sensible. */
  async insertPosts(count: number): Promise<void> {
    const total = this.#ledger.posts + count;
    while (this.#ledger.posts < total) {
      const first = this.#ledger.posts;
      const rows = Array.from({ length: Math.min(INSERT_ROWS, total - first) }, (_, i) => first + i);
      const ids = rows.map(() => this.#zm.nextId('feed'));
      const authors = rows.map((post) => this.#authorOf(post));
      // Before the rows: the Bloom filter must never deny a row that is there.
      await this.#zm.announce(ids);
      await this.#zm.exec(sql(INSERT_POSTS, ids, authors, rows.map(postText)));
      this.#ledger.addPosts(ids);
    }
    await this.#zm.exec(sql(ANALYZE_TABLES));
  }

  read(post: number): Promise<void> {
    const compared = this.#reads % COMPARE_EVERY === 0;
    this.#reads += 1;
    const read = this.#zm.get(this.#ledger.postId(post));
    return compared ? read.then((value) => this.#compare(post, value), this.#readFailed) : this.#book(read);
  }

  like(post: number): Promise<void> {
    const { likes } = this.#ledger;
    const id = this.#ledger.postId(post);
    const task = counter('zmsg_demo_post_meta', 'like_count')
      .inc(1)
      .where('id = ?', id)
      .batchKey(`meta:${id}`);
    likes.submit(post);
    return this.#zm.cacheAndPeriodicStore(id, null, task).then(
      () => {
        likes.acknowledge(post);
        this.#tally.done.like += 1;
      },
      (error) => this.#tally.fail('like', error),
    );
  }

  /** Adds a tag; a post that has enough of them loses its oldest instead. */
  tag(post: number): Promise<void> {
    const id = this.#ledger.postId(post);
    const tags = slice('zmsg_demo_post_meta', 'tags');
    const oldest = this.#ledger.takeOldestTag(post, TAGS_PER_POST);
    this.#tags += 1;
    const tag = `tag${this.#tags}`;
    if (oldest === undefined) this.#ledger.addTag(post, tag);
    const change = oldest === undefined ? tags.add(tag) : tags.del(oldest);
    const task = change.where('id = ?', id).batchKey(`meta:${id}`);
    return this.#certain('tag', post, this.#zm.cacheAndPeriodicStore(id, null, task));
  }

  /** Sets one of a few keys of the post's extra document. */
  annotate(post: number): Promise<void> {
    const id = this.#ledger.postId(post);
    this.#extras += 1;
    const key = EXTRA_KEYS[this.#extras % EXTRA_KEYS.length] as string;
    this.#ledger.setExtra(post, key, this.#extras);
    const task = map('zmsg_demo_post_meta', 'extra')
      .set(key, this.#extras)
      .where('id = ?', id)
      .batchKey(`meta:${id}`);
    return this.#certain('extra', post, this.#zm.cacheAndPeriodicStore(id, null, task));
  }

  /** One more follower. Nobody inserts users beforehand: the first follow does. */
  follow(user: number): Promise<void> {
    const { followers } = this.#ledger;
    const id = this.#ledger.userId(user);
    const task = counter('zmsg_demo_user_meta', 'follower_count')
      .inc(1)
      .where('id = ?', id)
      .orInsert({ id })
      .batchKey(`user:${id}`);
    followers.submit(user);
    return this.#zm.cacheAndPeriodicStore(id, null, task).then(
      () => {
        followers.acknowledge(user);
        this.#tally.done.follow += 1;
      },
      (error) => this.#tally.fail('follow', error),
    );
  }

  /** Publishes a post and tells its number once it is stored. */
  async publish(onPublished: (post: number) => void): Promise<void> {
    let id: string | undefined;
    try {
      id = this.#zm.nextId('feed');
      // Its number comes when it is stored: until then nobody reads it.
      const author = this.#authorOf(this.#ledger.posts);
      const text = `New: ${id}`;
      await this.#zm.cacheAndStore(id, feedValue(author, text), sql(INSERT_POST, id, author, text));
      onPublished(this.#ledger.addPosts([id]));
      this.#tally.done.post += 1;
    } catch (error) {
      if (id !== undefined) this.#ledger.refusedPosts.add(id);
      this.#tally.fail('post', error);
    }
  }

  #authorOf(post: number): string {
    return this.#ledger.userId(post % this.#ledger.users);
  }

  readonly #book = (read: Promise<Buffer | undefined>): Promise<void> =>
    read.then(this.#answered, this.#readFailed);

  readonly #answered = (value: Buffer | undefined): void => {
    if (value === undefined) this.#tally.notFound += 1;
    this.#tally.done.read += 1;
  };

  readonly #readFailed = (error: unknown): void => this.#tally.fail('read', error);

  #compare(post: number, value: Buffer | undefined): void {
    this.#answered(value);
    if (value === undefined) return;
    this.#tally.compared += 1;
    const { content } = JSON.parse(value.toString()) as { content?: string };
    const id = this.#ledger.postId(post);
    if (content !== postText(post) && content !== `New: ${id}`) this.#tally.wrongValue += 1;
  }

  #certain(action: 'tag' | 'extra', post: number, write: Promise<unknown>): Promise<void> {
    return write.then(
      () => {
        this.#tally.done[action] += 1;
      },
      (error) => {
        this.#ledger.uncertain.add(post);
        this.#tally.fail(action, error);
      },
    );
  }
}

/** As the loader of the posts writes it. */
function feedValue(author: string, content: string): Buffer {
  return Buffer.from(JSON.stringify({ author, content }));
}
