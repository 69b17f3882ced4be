// Ten thousand likes become a handful of statements, and each is visible at once.
// Run it: node examples/like-counter.mjs
import { counter, sql, ZMsg } from '@zmsg/core';

const zm = await ZMsg.open({ logLevel: 'warn' });

await zm
  .loadSql(
    `CREATE TABLE IF NOT EXISTS feed_meta (
       id         text PRIMARY KEY,
       like_count bigint NOT NULL DEFAULT 0
     )`,
  )
  .migrate();

const id = zm.nextId('feed');
const likes = counter('feed_meta', 'like_count').where('id = ?', id);
// orInsert: the first like of a post makes its row.
const like = counter('feed_meta', 'like_count').inc(1).where('id = ?', id).orInsert({ id });

// Each promise resolves when the shard of the post has taken the like; nothing is written yet.
await Promise.all(Array.from({ length: 10_000 }, () => zm.cacheAndPeriodicStore(id, null, like)));

// Read your writes: what is stored, and what is still pending for it.
const [seen] = await zm.query(likes.get());
console.log(`likes seen:   ${seen.like_count}`);

await zm.flush(); // it would have come by itself, 5 s after the first like
const [stored] = await zm.query(sql('SELECT like_count FROM feed_meta WHERE id = ?', id));
console.log(`likes stored: ${stored.like_count}`);

const { shards } = zm.stats();
console.log(
  `statements:   ${shards.statements < 100 ? 'less than a hundredth of the likes' : shards.statements}`,
);

await zm.close();
