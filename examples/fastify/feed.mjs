// A feed over HTTP: two threads, one engine, one port.
// Run it: npx zmsg-node start examples/fastify/feed.mjs --threads 2
//
//   curl -X POST localhost:3000/feed -H 'content-type: application/json' -d '{"content":"Hello"}'
//   curl -X POST localhost:3000/feed/feed_7382910…/like
//   curl localhost:3000/feed/feed_7382910…
//
// With --cluster instead, the same file runs in two processes with an engine each.
import { attach, counter, sql } from '@zmsg/core';
import { launched, onStop, sharedListen } from '@zmsg/node';
import Fastify from 'fastify';

const zm = await attach(); // the engine that the launcher has opened

// Each thread says it; the first one does it.
await zm
  .loadSql(
    `CREATE TABLE IF NOT EXISTS feeds (
       id         text PRIMARY KEY,
       content    text NOT NULL,
       like_count bigint NOT NULL DEFAULT 0
     )`,
  )
  .migrate();
zm.loader('feed_', { table: 'feeds', key: 'id', columns: ['content'] });

const likes = (id) => counter('feeds', 'like_count').where('id = ?', id);

const app = Fastify();

// Who answered. Thread 1 and thread 2 take turns as they are free.
app.addHook('onRequest', async (_request, reply) => {
  const { kind, number } = launched();
  reply.header('x-served-by', `${kind} ${number}`);
});

app.post('/feed', async (request, reply) => {
  const { content } = request.body;
  const id = zm.nextId('feed');
  const insert = sql('INSERT INTO feeds (id, content) VALUES (?, ?)', id, content);
  await zm.cacheAndStore(id, Buffer.from(JSON.stringify({ content })), insert);
  return reply.code(201).send({ id });
});

app.get('/feed/:id', async ({ params: { id } }, reply) => {
  const post = await zm.get(id);
  if (post === undefined) return reply.code(404).send({ error: 'there is no such post' });
  // What is stored, and what any thread has submitted and is not stored yet.
  const [row] = await zm.query(likes(id).get());
  return { id, ...JSON.parse(post), likes: row.like_count };
});

// Answered when the like is in the log; written with the others, seconds later.
app.post('/feed/:id/like', async ({ params: { id } }, reply) => {
  if (!(await zm.dbHit(id))) return reply.code(404).send({ error: 'there is no such post' });
  await zm.cacheAndPeriodicStore(id, null, likes(id).inc(1));
  return reply.code(204).send();
});

await app.listen(await sharedListen({ port: Number(process.env.PORT ?? 3000), host: '127.0.0.1' }));
onStop(() => app.close()); // answers what is under way, and takes no more
