import { describe, expect, test } from 'vitest';
import { feedContent } from '../dist/peers/feed-table.js';
import { FeedCursor } from '../dist/reads/feed-cursor.js';

const contentOf = (id: string) => feedContent(Number(id.slice(id.lastIndexOf('_') + 1)));

describe('rows of a contest', () => {
  test('each is read once, and then there are none', async () => {
    const cursor = new FeedCursor(3, 6);
    const ids: string[] = [];
    const get = async (id: string) => {
      ids.push(id);
      return contentOf(id);
    };
    await cursor.read(get);
    await cursor.readMany(2, async (many) => new Map(many.map((id) => [id, Buffer.from(contentOf(id))])));
    expect(ids).toEqual(['bench_feed_3']);
    await expect(cursor.read(get)).rejects.toThrow('used up');
  });

  test('a value that is another row’s, or none, ends the contest', async () => {
    const cursor = new FeedCursor(0, 10);
    await expect(cursor.read(async () => feedContent(9))).rejects.toThrow('bench_feed_0');
    await expect(cursor.read(async () => undefined)).rejects.toThrow('bench_feed_1');
    await expect(cursor.readMany(2, async () => new Map())).rejects.toThrow('0 of 2 rows');
  });
});
