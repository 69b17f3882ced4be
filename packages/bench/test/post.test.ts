import { expect, test } from 'vitest';
import { checkWhole, likesIn, postBody, postId, postNumber, postText } from '../dist/workloads/post.js';

const id = postId(42);
const text = postText({ id, likes: 17, body: postBody(id) });

test.each([
  ['text', text],
  ['bytes', Buffer.from(text)],
])('a value as %s says whose it is and which version', (_, value) => {
  expect(likesIn(value, id)).toBe(17);
  checkWhole(value, id);
});

test('values are some 300 bytes', () => {
  expect(text.length).toBeGreaterThan(280);
  expect(text.length).toBeLessThan(320);
});

test('ids and numbers belong to each other', () => {
  expect(postNumber(postId(12_345_678))).toBe(12_345_678);
});

const other = postId(43);
test.each([
  ['another post', postText({ id: other, likes: 17, body: postBody(other) })],
  ['a longer id that begins alike', text.replace(id, `${id}0`)],
  ['a value that is cut off', text.slice(0, -1)],
  ['a value with more behind it', `${text} `],
  ['nothing', ''],
  ['a count that is no number', text.replace(':17,', ':"1",')],
])('%s is found out by every read', (_, value) => {
  expect(() => likesIn(value, id)).toThrow('not the value');
  expect(() => likesIn(Buffer.from(value), id)).toThrow('not the value');
});

test.each([
  ['the body of another post', postText({ id, likes: 17, body: postBody(other) })],
  ['one changed byte', `${text.slice(0, 100)}_${text.slice(101)}`],
])('%s is found out by the reads that compare all', (_, value) => {
  expect(() => checkWhole(value, id)).toThrow();
});
