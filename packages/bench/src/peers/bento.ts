import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisDriver } from 'bentocache/drivers/redis';
import { connectRedis } from './connect-redis.js';

/** Its memory alone, which then may keep values as they are. */
export function memoryBento(maxItems: number) {
  return new BentoCache({
    default: 'memory',
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems, serialize: false })) },
  });
}

/**
 * Memory in front of Redis, as its documentation begins, on a connection of its own. Its memory holds JSON: with
 * `serialize: false`, what comes from Redis is kept as text that the next read cannot take (1.6.1 throws).
 */
export function twoLevelBento(redisAddr: string, maxItems: number) {
  return new BentoCache({
    default: 'feeds',
    stores: {
      feeds: bentostore({ prefix: 'bento' })
        .useL1Layer(memoryDriver({ maxItems }))
        .useL2Layer(redisDriver({ connection: connectRedis(redisAddr) })),
    },
  });
}
