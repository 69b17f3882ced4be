import { createServer } from 'node:http';
import { attach, counter } from '@zmsg/core';
import { launched, onStop, sharedListen } from '@zmsg/node';

const zm = await attach(); // the engine: every call of its API

await zm.loadSql('CREATE TABLE IF NOT EXISTS views (page text PRIMARY KEY, n bigint NOT NULL)').migrate();

const server = createServer(async (request, response) => {
  const views = counter('views', 'n').where('page = ?', request.url);
  await zm.cacheAndPeriodicStore(request.url, null, views.inc(1).orInsert({ page: request.url }));
  const [row] = await zm.query(views.get());
  response.end(`${request.url}: ${row?.n} views, says ${launched().kind} ${launched().number}\n`);
});

server.listen(await sharedListen({ port: 44315, host: '127.0.0.1' }));
onStop(() => new Promise((resolve) => server.close(resolve)));
