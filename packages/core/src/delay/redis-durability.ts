import { Cluster, type Redis } from 'ioredis';
import type { RedisClient } from '../l2/redis-client.js';

/**
 * Settings of Redis under which it may lose an acknowledged job: eviction, no append-only file, or one
 * that it cannot write or does not sync. Read from INFO, since managed services often forbid CONFIG; only
 * how it syncs is in CONFIG alone, and is not looked into where that is forbidden.
 */
export async function redisDurabilityWarnings(client: RedisClient): Promise<string[]> {
  const nodes = client instanceof Cluster ? client.nodes('master') : [client];
  const warnings = new Set<string>();
  for (const node of nodes) {
    const memory = await node.info('memory');
    const persistence = await node.info('persistence');
    const policy = field(memory, 'maxmemory_policy');
    if (policy !== undefined && policy !== 'noeviction') {
      warnings.add(`Redis has maxmemory-policy ${policy}: it may evict delayed writes; set noeviction`);
    }
    if (field(persistence, 'aof_enabled') === '0') {
      warnings.add('Redis has no append-only file: delayed writes are lost with it; set appendonly yes');
    } else if (await isNeverSynced(node)) {
      warnings.add('Redis never syncs its append-only file: set appendfsync to everysec or always');
    }
    if (field(persistence, 'aof_last_write_status') === 'err') {
      warnings.add('Redis cannot write its append-only file: delayed writes may be lost with it');
    }
  }
  return [...warnings];
}

async function isNeverSynced(node: Redis): Promise<boolean> {
  const reply: unknown = await node.config('GET', 'appendfsync').catch(() => undefined); // forbidden
  return Array.isArray(reply) && reply[1] === 'no';
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
