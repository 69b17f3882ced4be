import { createHash } from 'node:crypto';
import type { RedisClient } from './redis-client.js';

export type ScriptArgument = string | number | Buffer;

/** Missing in the types of ioredis 6. */
interface Scripting {
  evalBuffer(script: string, keys: number, ...rest: ScriptArgument[]): Promise<unknown>;
  evalshaBuffer(digest: string, keys: number, ...rest: ScriptArgument[]): Promise<unknown>;
}

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
  // Not `callBuffer`: ioredis 6 forgets the command's name when it pipelines that by itself.
  const client = redis as unknown as Scripting;
  try {
    return await client.evalshaBuffer(digest, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await client.evalBuffer(script, keys.length, ...keys, ...args);
  }
}

/** Always sends the text. */
export function runScriptText(
  redis: RedisClient,
  script: string,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<unknown> {
  return (redis as unknown as Scripting).evalBuffer(script, keys.length, ...keys, ...args);
}
