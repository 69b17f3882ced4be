// A post: stored at once, cached, read back. Run it: node examples/quick-start.mjs
//
// Without ZMSG_POSTGRES_DSN this starts an embedded PostgreSQL, kept under .zmsg/.
import { sql, ZMsg } from '@zmsg/core';

const zm = await ZMsg.open({ logLevel: 'warn' });

await zm.loadSql('CREATE TABLE IF NOT EXISTS feeds (id text PRIMARY KEY, content text NOT NULL)').migrate();
// Where get() finds keys that begin with feed_, when no cache has them.
zm.loader('feed_', { table: 'feeds', key: 'id', columns: ['content'] });

const id = zm.nextId('feed'); // 'feed_7382910…'
const { rowCount } = await zm.cacheAndStore(
  id,
  Buffer.from('{"content":"Hello"}'),
  sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, 'Hello'),
);
console.log(`stored ${rowCount} row`);

console.log(`from the cache:      ${await zm.get(id)}`);
await zm.del(id); // from the caches; the row stays
console.log(`from the database:   ${await zm.get(id)}`);
console.log(`a key without a row: ${await zm.get('feed_0')}`);

await zm.close(); // drains and flushes everything
