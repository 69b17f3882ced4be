import { randomBytes, randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { connectRedis, disconnectRedis, type RedisClient } from '../l2/redis-client.js';
import { runScript } from '../l2/run-script.js';
import type { ResolvedOptions } from '../options/resolved.js';
import { bloomKeys } from './bloom-share.js';
import { HOLD, RELEASE } from './share-scripts.js';

const TIMEOUT_MS = 5000;
const DISCONNECT_TIMEOUT_MS = 500;
/** Far below the time after which the nodes forget a member. */
const RENEW_MS = 60_000;

/**
 * Runs `work`, which makes rows whose keys nobody has announced to the nodes' Bloom filters: meanwhile
 * no node answers that a key is absent, and afterwards all of them read their tables again. Without
 * Redis nothing is to be done; when it cannot be reached the work is done all the same, with a warning.
 *
 * @throws what `work` throws
 */
export async function withBloomHeld<T>(
  options: ResolvedOptions,
  logger: Logger,
  work: () => Promise<T>,
): Promise<T> {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix } = options;
  if (redisAddr === undefined || !options.bloomEnabled) return work();
  const redis = connectRedis(
    { redisAddr, redisCluster, redisPassword, redisDb },
    {
      connectionName: 'zmsg-bloom-hold',
      connectTimeoutMs: TIMEOUT_MS,
      socketTimeoutMs: TIMEOUT_MS,
      disconnectTimeoutMs: DISCONNECT_TIMEOUT_MS,
      commandTimeoutMs: TIMEOUT_MS,
      whenAway: 'refuse',
      autoPipelining: false,
      onError: () => {}, // told by the script that it breaks
    },
  );
  const me = `hold ${randomUUID()}`;
  const warn = (error: unknown) =>
    logger.warn({ err: error }, 'running nodes may answer that rows written now are absent: restart them');
  const hold = () => runScript(redis, HOLD, bloomKeys(cachePrefix, ''), [me]) as Promise<Buffer[]>;
  const holding = await ready(redis)
    .then(hold)
    .then(() => setInterval(() => void hold().catch(warn), RENEW_MS))
    .catch((error: unknown) => {
      warn(error);
      return undefined;
    });
  try {
    return await work();
  } finally {
    clearInterval(holding);
    // Also when it failed: some of it may have been committed.
    if (holding !== undefined)
      await hold()
        .then((members) => release(redis, cachePrefix, me, members))
        .catch(warn);
    await disconnectRedis(redis, DISCONNECT_TIMEOUT_MS);
  }
}

/** Each layout has a bitmap of its own, and members name theirs. */
async function release(
  redis: RedisClient,
  cachePrefix: string,
  me: string,
  members: readonly Buffer[],
): Promise<void> {
  const layouts = new Set(members.map((member) => member.toString().split(' ', 1)[0] ?? ''));
  for (const layout of layouts) {
    const token = randomBytes(12).toString('hex');
    await runScript(redis, RELEASE, bloomKeys(cachePrefix, layout), [me, token]);
  }
}

function ready(redis: RedisClient): Promise<void> {
  if (redis.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Redis cannot be reached')), TIMEOUT_MS);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
