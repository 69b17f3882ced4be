import { createHash } from 'node:crypto';

/** What a read answers: the text that an HTTP handler would send. */
export type PostText = string | Buffer;

export interface Post {
  id: string;
  likes: number;
  body: string;
}

export const ID_PREFIX = 'feed_';
const DIGITS = 8;
const BODY_REPEATS = 8;
const BODY_LENGTH = 32 * BODY_REPEATS;
const BEFORE_ID = '{"id":"';
const BEFORE_LIKES = '","likes":';
const BEFORE_BODY = ',"body":"';
const END = '"}';
const LIKES_AT = BEFORE_ID.length + ID_PREFIX.length + DIGITS + BEFORE_LIKES.length;
const LONGEST_LIKES = 10;

/** All of one length, so that none is the beginning of another. */
export function postId(number: number): string {
  return ID_PREFIX + String(number).padStart(DIGITS, '0');
}

export function postNumber(id: string): number {
  return Number(id.slice(ID_PREFIX.length));
}

/** Follows from the id, so that a value says whose it is with every byte. `BODY_SQL` is the same. */
export function postBody(id: string): string {
  return createHash('md5').update(id).digest('hex').repeat(BODY_REPEATS);
}

export const BODY_SQL = `repeat(md5(id), ${BODY_REPEATS})`;

/** With the fields in this order, whatever the order of the row's. */
export function postText({ id, likes, body }: Post): string {
  return JSON.stringify({ id, likes, body });
}

/**
 * The version that a value says it is: its likes. Looks at the head and the length only, some 100 ns, so that
 * every read of every contender can be checked.
 *
 * @throws Error when it is the value of another post, or not a whole one
 */
export function likesIn(text: PostText, id: string): number {
  const head = typeof text === 'string' ? text : text.toString('latin1', 0, LIKES_AT + LONGEST_LIKES);
  const likes = Number.parseInt(head.slice(LIKES_AT, LIKES_AT + LONGEST_LIKES), 10);
  const length = LIKES_AT + String(likes).length + BEFORE_BODY.length + BODY_LENGTH + END.length;
  if (!head.startsWith(BEFORE_ID + id + BEFORE_LIKES) || text.length !== length || !(likes >= 0)) {
    throw new Error(`not the value of ${id}: ${text.toString().slice(0, 80)}`);
  }
  return likes;
}

/** @throws Error when any byte of it is another than it should be */
export function checkWhole(text: PostText, id: string): void {
  const expected = postText({ id, likes: likesIn(text, id), body: postBody(id) });
  if (text.toString() !== expected) throw new Error(`a torn value of ${id}: ${text.toString()}`);
}
