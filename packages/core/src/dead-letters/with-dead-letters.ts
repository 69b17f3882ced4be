import { type StandaloneOptions, withStandaloneStore } from '../store/standalone-store.js';
import type { DeadLettersView } from './dead-letter.js';
import { DeadLetters } from './dead-letters.js';

export type { StandaloneOptions };

/**
 * Runs `body` with the dead letters of a database, without opening an engine on it. Nodes that have
 * cached what a retry changes do not hear of it.
 *
 * @throws ConfigError, StoreError, and what `body` throws
 */
export function withDeadLetters<T>(
  options: StandaloneOptions,
  body: (letters: DeadLettersView) => Promise<T>,
): Promise<T> {
  return withStandaloneStore(options, (store) => body(new DeadLetters(store)));
}
