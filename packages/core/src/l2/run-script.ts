import { createHash } from 'node:crypto';
import type { RedisClient } from './redis-client.js';

export type ScriptArgument = string | number | Buffer;

const digests = new Map<string, string>();

/** Runs a script by its digest, and sends its text only to a server that does not know it. */
export async function runScript(
  redis: RedisClient,
  script: string,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<unknown> {
  let digest = digests.get(script);
  if (digest === undefined) {
    digest = createHash('sha1').update(script).digest('hex');
    digests.set(script, digest);
  }
  const rest = [keys.length, ...keys, ...args];
  try {
    return await redis.callBuffer('evalsha', [digest, ...rest]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await redis.callBuffer('eval', [script, ...rest]);
  }
}
