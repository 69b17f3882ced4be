import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { attach, counter } from '@zmsg/core';
import pg from 'pg';
import { inFlight } from '../in-flight.js';
import { connectRedis } from '../peers/connect-redis.js';
import { HandLikes } from '../peers/hand-likes.js';
import { likedPost } from '../peers/like-table.js';
import { DONE, END, type LikingTask, READY, ROUND } from './liking-task.js';

const task = workerData as LikingTask;
const port = parentPort as MessagePort;
const { like, close } = task.zmsg === undefined ? byHand() : await byEngine();

port.postMessage(READY);
for (;;) {
  const [message] = await once(port, 'message');
  if (message === END) break;
  if (message !== ROUND) throw new Error(`unexpected message ${message}`);
  await inFlight(task.count, task.width, (n) => like(likedPost(n)));
  port.postMessage(DONE);
}
await close();

async function byEngine() {
  const zm = await attach();
  const likes = counter(task.table, 'likes').inc(1);
  return {
    like: (id: string): Promise<unknown> =>
      zm.cacheAndPeriodicStore(id, null, likes.where('id = ?', id), { durability: 'interval' }),
    close: () => zm.close(),
  };
}

function byHand() {
  const pool = new pg.Pool({ connectionString: task.dsn, max: task.connections });
  const redis = connectRedis(task.redisAddr);
  const likes = new HandLikes(redis, pool, task.table);
  return {
    like: (id: string): Promise<unknown> => likes.like(id),
    close: async () => {
      redis.disconnect();
      await pool.end();
    },
  };
}
