import { connectRedis, disconnectRedis } from '../l2/redis-client.js';
import type { Opening } from '../opening.js';
import type { Store } from '../store/store.js';
import type { BloomBits } from './bloom-bits.js';
import { BloomGate } from './bloom-gate.js';
import { BloomShare, type ShareEvent } from './bloom-share.js';

const REDIS_CONNECT_TIMEOUT_MS = 5_000;
const REDIS_DISCONNECT_TIMEOUT_MS = 500;

/**
 * Without Redis the local filter decides alone: several nodes need the same Redis to be coherent at
 * all. The tables are read from the primary, since a replica may lack the newest keys.
 */
export function openBloom(
  { options, logger, opened, onEvent }: Opening,
  store: Store,
  inherited: Promise<boolean>,
): BloomGate | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix } = options;
  if (!options.bloomEnabled) return undefined;
  let share: ((bits: BloomBits, onEvent: (event: ShareEvent) => void) => BloomShare) | undefined;
  if (redisAddr !== undefined) {
    const redis = connectRedis(
      { redisAddr, redisCluster, redisPassword, redisDb },
      {
        connectionName: 'zmsg-bloom',
        connectTimeoutMs: REDIS_CONNECT_TIMEOUT_MS,
        socketTimeoutMs: REDIS_CONNECT_TIMEOUT_MS,
        disconnectTimeoutMs: REDIS_DISCONNECT_TIMEOUT_MS,
        whenAway: 'refuse',
        autoPipelining: false,
        onError: (error) => logger.warn({ err: error }, 'Redis (Bloom filter) cannot be reached'),
      },
    );
    opened.onClose('Redis of the Bloom filter', () => disconnectRedis(redis, REDIS_DISCONNECT_TIMEOUT_MS));
    share = (bits, onShareEvent) => new BloomShare({ redis, cachePrefix, inherited }, bits, onShareEvent);
  }
  const bloom = new BloomGate({
    scanAfter: inherited.then(() => {}),
    store,
    capacity: options.bloomCapacity,
    errorRate: options.bloomErrorRate,
    exclusive: redisAddr === undefined,
    share,
    onEvent,
  });
  opened.onClose('Bloom filter', () => bloom.close());
  return bloom;
}
