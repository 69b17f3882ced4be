import { isDeepStrictEqual } from 'node:util';
import { sql, type Task } from '@zmsg/core';
import type { CounterLedger } from './counter-ledger.js';
import { formatCount } from './figures.js';
import type { Ledger } from './ledger.js';
import type { Tally } from './tally.js';

/** Reads rows from PostgreSQL, past every cache and shard. */
export type Query = <Row>(task: Task) => Promise<Row[]>;

export interface CheckLine {
  name: 'likes' | 'followers' | 'tags' | 'extra' | 'posts' | 'reads';
  passed: boolean;
  /** Nothing was submitted and nothing is there. */
  empty: boolean;
  text: string;
}

interface PostRow {
  id: string;
  likes: string;
  tags: unknown;
  extra: unknown;
}

/** Rows read at a time. */
const PAGE = 5_000;

const POSTS_PAGE = `
SELECT m.id, m.like_count::text AS likes, m.tags, m.extra
FROM zmsg_demo_post_meta AS m JOIN zmsg_demo_posts AS p ON p.id = m.id
WHERE m.id > ? ORDER BY m.id LIMIT ${PAGE}`;

const USERS_PAGE = `
SELECT id, follower_count::text AS followers FROM zmsg_demo_user_meta
WHERE id > ? ORDER BY id LIMIT ${PAGE}`;

/**
 * Compares every row of the demo's tables with the ledger. An operation that was acknowledged must be
 * there once; one that was refused may be there once or not at all.
 */
export async function check(ledger: Ledger, tally: Tally, query: Query): Promise<CheckLine[]> {
  const posts = numbersOf(ledger.posts, (post) => ledger.postId(post));
  const likes = new CounterCheck('likes', ledger.likes);
  const tags = new DocumentCheck('tags', ledger.tagOperations);
  const extra = new DocumentCheck('extra', ledger.extraOperations);
  let unknownPosts = 0;
  let storedPosts = 0;
  for await (const row of pages<PostRow>(query, POSTS_PAGE)) {
    const post = posts.get(row.id);
    posts.delete(row.id);
    if (post === undefined) {
      if (!ledger.refusedPosts.has(row.id)) unknownPosts += 1;
      continue;
    }
    storedPosts += 1;
    likes.compare(post, Number(row.likes));
    if (ledger.uncertain.has(post)) continue;
    tags.compare(ledger.tags.get(post) ?? [], row.tags);
    extra.compare(Object.fromEntries(ledger.extra.get(post) ?? []), row.extra);
  }
  // What is left has no row.
  for (const post of posts.values()) {
    likes.compare(post, 0);
    tags.compare(ledger.tags.get(post) ?? [], []);
    extra.compare(Object.fromEntries(ledger.extra.get(post) ?? []), {});
  }

  const users = numbersOf(ledger.users, (user) => ledger.userId(user));
  const followers = new CounterCheck('followers', ledger.followers);
  for await (const row of pages<{ id: string; followers: string }>(query, USERS_PAGE)) {
    const user = users.get(row.id);
    users.delete(row.id);
    if (user === undefined) followers.foreign(Number(row.followers));
    else followers.compare(user, Number(row.followers));
  }
  for (const user of users.values()) followers.compare(user, 0);

  return [
    likes.line(),
    followers.line(),
    tags.line(),
    extra.line(),
    {
      name: 'posts',
      passed: posts.size === 0 && unknownPosts === 0,
      empty: false,
      text: `${formatCount(ledger.posts)} stored, ${formatCount(storedPosts)} in PostgreSQL, ${formatCount(posts.size)} missing, ${formatCount(unknownPosts)} unknown`,
    },
    {
      name: 'reads',
      passed: tally.notFound === 0 && tally.wrongValue === 0,
      empty: false,
      text: `${formatCount(tally.done.read)} answered, ${formatCount(tally.notFound)} not found, ${formatCount(tally.compared)} compared, ${formatCount(tally.wrongValue)} different`,
    },
  ];
}

class CounterCheck {
  readonly #name: 'likes' | 'followers';
  readonly #ledger: CounterLedger;
  #stored = 0;
  #missing = 0;
  #double = 0;

  constructor(name: 'likes' | 'followers', ledger: CounterLedger) {
    this.#name = name;
    this.#ledger = ledger;
  }

  compare(row: number, stored: number): void {
    this.#stored += stored;
    this.#missing += Math.max(0, this.#ledger.acknowledged(row) - stored);
    this.#double += Math.max(0, stored - this.#ledger.submitted(row));
  }

  /** A row that nobody asked for. */
  foreign(stored: number): void {
    this.#stored += stored;
    this.#double += stored;
  }

  line(): CheckLine {
    const { submittedTotal, acknowledgedTotal } = this.#ledger;
    const refused = submittedTotal - acknowledgedTotal;
    return {
      name: this.#name,
      passed: this.#missing === 0 && this.#double === 0,
      empty: submittedTotal === 0 && this.#stored === 0,
      text:
        `${formatCount(submittedTotal)} submitted, ${formatCount(this.#stored)} in PostgreSQL, ` +
        `${formatCount(this.#missing)} missing, ${formatCount(this.#double)} double` +
        (refused === 0 ? '' : ` (${formatCount(refused)} refused)`),
    };
  }
}

class DocumentCheck {
  readonly #name: 'tags' | 'extra';
  readonly #operations: number;
  #compared = 0;
  #different = 0;

  constructor(name: 'tags' | 'extra', operations: number) {
    this.#name = name;
    this.#operations = operations;
  }

  compare(expected: unknown, stored: unknown): void {
    this.#compared += 1;
    if (!isDeepStrictEqual(expected, stored)) this.#different += 1;
  }

  line(): CheckLine {
    return {
      name: this.#name,
      passed: this.#different === 0,
      empty: this.#operations === 0 && this.#different === 0,
      text: `${formatCount(this.#operations)} submitted, ${formatCount(this.#compared)} posts compared, ${formatCount(this.#different)} different`,
    };
  }
}

function numbersOf(count: number, idOf: (number: number) => string): Map<string, number> {
  const numbers = new Map<string, number>();
  for (let i = 0; i < count; i += 1) numbers.set(idOf(i), i);
  return numbers;
}

async function* pages<Row extends { id: string }>(
  query: Query,
  text: string,
): AsyncGenerator<Row, void, void> {
  let last = '';
  for (;;) {
    const rows = await query<Row>(sql(text, last).build());
    yield* rows;
    const end = rows.at(-1);
    if (end === undefined || rows.length < PAGE) return;
    last = end.id;
  }
}
