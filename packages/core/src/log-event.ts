import type { Logger } from 'pino';
import type { EngineEvent } from './events.js';

/** What an operator should see of an event: failures as warnings, the daily round only at `debug`. */
export function logEvent(logger: Logger, event: EngineEvent): void {
  const { type, ...fields } = event;
  const error = 'error' in fields ? fields.error : undefined;
  const line = error === undefined ? fields : { ...fields, error: undefined, err: error };
  if (type === 'shard:thread:failed' || type === 'ids:lease:lost') logger.error(line, type);
  else if (error !== undefined || type === 'flush:task:unmatched') logger.warn(line, type);
  else logger.debug(line, type);
}
