import type { Logger } from 'pino';
import type { EngineEvent } from './events.js';

const ERRORS: ReadonlySet<EngineEvent['type']> = new Set([
  'shard:thread:failed',
  'shard:thread:restarted',
  'log:write:failed',
  'ids:lease:lost',
]);
const WARNINGS: ReadonlySet<EngineEvent['type']> = new Set([
  'flush:task:unmatched',
  'log:tail:cut',
  'delay:durability:doubtful',
  'coherence:link:lost',
]);
const NEWS: ReadonlySet<EngineEvent['type']> = new Set([
  'log:operations:recovered',
  'coherence:link:restored',
]);

/** What an operator should see of an event: failures as warnings, the daily round only at `debug`. */
export function logEvent(logger: Logger, event: EngineEvent): void {
  const { type, ...fields } = event;
  const error = 'error' in fields ? fields.error : undefined;
  const line = error === undefined ? fields : { ...fields, error: undefined, err: error };
  if (ERRORS.has(type)) logger.error(line, type);
  else if (error !== undefined || WARNINGS.has(type)) logger.warn(line, type);
  else if (NEWS.has(type)) logger.info(line, type);
  else logger.debug(line, type);
}
