// A post that is written half a second from now, even if this process ends before: the job waits in
// Redis (ZMSG_REDIS_ADDR) or PostgreSQL, is tried again when it fails, and is applied once.
// Run it: node examples/delayed-write.mjs
import { once } from 'node:events';
import { sql, ZMsg } from '@zmsg/core';

const zm = await ZMsg.open({ logLevel: 'warn' });

await zm.loadSql('CREATE TABLE IF NOT EXISTS feeds (id text PRIMARY KEY, content text NOT NULL)').migrate();
zm.loader('feed_', { table: 'feeds', key: 'id', columns: ['content'] });

const id = zm.nextId('feed');
const rows = () => zm.query(sql('SELECT content FROM feeds WHERE id = ?', id));

const applied = once(zm, 'delay:job:applied', { signal: AbortSignal.timeout(60_000) });
await zm.cacheAndDelayStore(
  id,
  Buffer.from('{"content":"Later"}'),
  sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, 'Later'),
  { delay: '500ms' },
);
console.log(`readable at once: ${await zm.get(id)}`);
console.log(`rows now:         ${(await rows()).length}`);

await applied;
console.log(`rows afterwards:  ${(await rows()).length}`);

await zm.close();
