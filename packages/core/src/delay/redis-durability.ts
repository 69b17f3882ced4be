import { Cluster } from 'ioredis';
import type { RedisClient } from '../l2/redis-client.js';

/**
 * Settings of Redis under which it may lose an acknowledged job: eviction, and no append-only file.
 * Read from INFO, since managed services often forbid CONFIG.
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
    }
  }
  return [...warnings];
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}
