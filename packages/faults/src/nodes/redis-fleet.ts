import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '@zmsg/node';
import { type RedisCluster, type RedisServer, startRedis, startRedisCluster } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { FaultProxy } from '../fault-proxy.js';

export type RedisKind = 'single' | 'cluster';

/**
 * The Redis of all nodes, behind proxies: with a single one each node has a link of its own; with a cluster each
 * master has one for all nodes, since it is the master that says where it is.
 */
export class RedisFleet {
  readonly kind: RedisKind;
  readonly servers: readonly RedisServer[];
  readonly links: readonly FaultProxy[];
  readonly #addrs: readonly string[];
  readonly #cluster: RedisCluster | undefined;

  private constructor(
    kind: RedisKind,
    servers: readonly RedisServer[],
    links: readonly FaultProxy[],
    addrs: readonly string[],
    cluster: RedisCluster | undefined,
  ) {
    this.kind = kind;
    this.servers = servers;
    this.links = links;
    this.#addrs = addrs;
    this.#cluster = cluster;
  }

  static async start(kind: RedisKind, slots: number, random: Random): Promise<RedisFleet> {
    const cluster = kind === 'cluster' ? await startRedisCluster() : undefined;
    const servers = cluster?.masters ?? [await startRedis()];
    const targets = cluster?.masters ?? Array.from({ length: slots }, () => servers[0] as RedisServer);
    const links = targets.map(({ port }) => new FaultProxy(port, random));
    const ports = await Promise.all(links.map((link) => link.listen()));
    for (const [at, client] of cluster?.clients.entries() ?? []) {
      client.on('error', () => {}); // its master is killed
      await client.config('SET', 'cluster-announce-port', ports[at] as number);
    }
    const addrs = ports.map((port) => `127.0.0.1:${port}`);
    return new RedisFleet(kind, servers, links, addrs, cluster);
  }

  addrOf(slot: number): string | readonly string[] {
    return this.kind === 'cluster' ? this.#addrs : (this.#addrs[slot] as string);
  }

  /** SHUTDOWN SAVE: what comes back has all that was there. */
  async shutDown(server: RedisServer): Promise<void> {
    await withClient(server, async (client) => {
      await client.call('SHUTDOWN', 'SAVE').catch(() => {}); // the connection ends
    });
    await server.stop();
  }

  /** A snapshot from which it will start again, unless a newer one is made. */
  async save(server: RedisServer): Promise<void> {
    await withClient(server, (client) => client.save());
  }

  /** What it started from is gone: the next kill leaves nothing, unless a snapshot is made. */
  async start(server: RedisServer): Promise<void> {
    await server.start();
    await withClient(server, async (client) => {
      const [, dir] = (await client.config('GET', 'dir')) as [string, string];
      rmSync(join(dir, 'dump.rdb'), { force: true });
    });
    const at = this.servers.indexOf(server);
    // What a cluster's master announces is not in the file that it reads at start.
    if (this.kind === 'cluster') {
      const port = Number(this.#addrs[at]?.split(':')[1]);
      await withClient(server, (client) => client.config('SET', 'cluster-announce-port', port));
    }
  }

  async destroy(): Promise<void> {
    for (const link of this.links) link.close();
    if (this.#cluster === undefined) await this.servers[0]?.destroy();
    else await this.#cluster.destroy();
  }
}

async function withClient(server: RedisServer, use: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(`redis://${server.addr}`, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {}); // its command rejects
  try {
    await use(client);
  } finally {
    client.disconnect();
  }
}
