import { fileURLToPath } from 'node:url';
import { freePort } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { freshPrefix, statements } from '../../packages/core/test/open-engine.js';
import { expectFree, Launcher } from '../../packages/node/test/launcher.js';

const FEED = fileURLToPath(new URL('feed.mjs', import.meta.url));

const LIKES = 300;
const IN_FLIGHT = 10;

test.each([
  ['threads', []],
  ['processes', ['--cluster']],
])(
  'two %s serve the feed on one port, and every like is counted once',
  { timeout: 120_000 },
  async (kind, flags) => {
    const port = await freePort();
    const launcher = await Launcher.start([FEED, '--threads', '2', ...flags], {
      PORT: String(port),
      ZMSG_REDIS_ADDR: inject('redisAddr'),
      ZMSG_CACHE_PREFIX: freshPrefix(),
    });
    await launcher.logged(`all ${kind} are ready`);
    const servedBy = new Set<string | null>();
    /** Over a connection of its own, as a kept one stays with its thread. */
    const call = async (path: string, init: RequestInit = {}) => {
      const headers = { ...init.headers, connection: 'close' };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers });
      servedBy.add(response.headers.get('x-served-by'));
      return response;
    };

    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ content: 'Hello' });
    const { id } = (await (await call('/feed', { method: 'POST', headers, body })).json()) as { id: string };
    let left = LIKES;
    await Promise.all(
      Array.from({ length: IN_FLIGHT }, async () => {
        while (left-- > 0) expect((await call(`/feed/${id}/like`, { method: 'POST' })).status).toBe(204);
      }),
    );
    expect(servedBy.size).toBe(2);

    const post = (await (await call(`/feed/${id}`)).json()) as { likes: number };
    expect(post).toEqual({ id, content: 'Hello', likes: expect.any(Number) });
    // A process does not see what is pending in the other one.
    if (kind === 'threads') expect(post.likes).toBe(LIKES);
    expect((await call('/feed/feed_0')).status).toBe(404);

    launcher.kill('SIGTERM');
    expect(await launcher.ended(), launcher.stderr).toBe(0);
    const rows = await statements(launcher.dsn)('SELECT like_count::int AS likes FROM feeds');
    expect(rows).toEqual([{ likes: LIKES }]);
    await expectFree(port);
  },
);
