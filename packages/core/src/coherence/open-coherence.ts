import type { Opening } from '../opening.js';
import type { Store } from '../store/store.js';
import { Coherence, type CoherenceOptions, fleetChannel } from './coherence.js';

/** What this node does about the others, and hears from them. Undefined without Redis: there are none. */
export function openCoherence(
  { options, logger, opened, onEvent }: Opening,
  store: Store,
  local: Pick<CoherenceOptions, 'owes' | 'onKeys' | 'onDoubt' | 'onSharedDoubt' | 'digestOf' | 'onRequest'>,
): Coherence | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb } = options;
  if (redisAddr === undefined) return undefined;
  const coherence = new Coherence({
    ...local,
    endpoint: { redisAddr, redisCluster, redisPassword, redisDb },
    channel: fleetChannel(options),
    store,
    onEvent,
    onError: (error, what) => logger.warn({ err: error }, what),
  });
  opened.onClose('coherence', () => coherence.close());
  return coherence;
}
