import type { Opening } from '../opening.js';
import { L2 } from './l2.js';
import { RedisCache } from './redis-cache.js';

/** Undefined without Redis. */
export async function openL2(
  { options, logger, opened }: Opening,
  onRepaired: (keys: readonly string[] | undefined) => void,
): Promise<L2 | undefined> {
  const { redisAddr } = options;
  if (redisAddr === undefined) return undefined;
  const tier = await RedisCache.open({
    redisAddr,
    redisCluster: options.redisCluster,
    redisPassword: options.redisPassword,
    redisDb: options.redisDb,
    redisPoolSize: options.redisPoolSize,
    cachePrefix: options.cachePrefix,
    onConnectionError: (error) => logger.warn({ err: error }, 'Redis (L2) cannot be reached'),
  });
  const l2 = new L2(tier, { onRepaired });
  opened.onClose('L2', () => l2.close());
  await l2.checkServers();
  return l2;
}
