import { withBloomHeld } from '../bloom/bloom-hold.js';
import { createLogger } from '../log.js';
import { resolveOptions, secretsOf } from '../options/resolve.js';
import { type StandaloneOptions, withStandaloneStore } from '../store/standalone-store.js';
import type { DeadLettersView } from './dead-letter.js';
import { DeadLetters } from './dead-letters.js';

export type { StandaloneOptions };

/**
 * Runs `body` with the dead letters of a database, without opening an engine on it. After a retry the
 * nodes on the same Redis read their tables again, for the keys of new rows; but those that have cached
 * what it changes do not hear of it.
 *
 * @throws ConfigError, StoreError, and what `body` throws
 */
export function withDeadLetters<T>(
  options: StandaloneOptions,
  body: (letters: DeadLettersView) => Promise<T>,
): Promise<T> {
  const resolved = resolveOptions(options.config, options.env);
  const { logLevel: level, logFormat: format } = resolved;
  const logger = createLogger({ level, format, secrets: secretsOf(resolved) });
  return withStandaloneStore(options, (store) => {
    const letters = new DeadLetters(store);
    return body({
      list: (listing) => letters.list(listing),
      get: (id, waiting) => letters.get(id, waiting),
      count: (waiting) => letters.count(waiting),
      retry: (ids, waiting) => withBloomHeld(resolved, logger, () => letters.retry(ids, waiting)),
      discard: (ids, waiting) => letters.discard(ids, waiting),
    });
  });
}
