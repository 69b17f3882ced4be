import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '@zmsg/node';
import { type RedisServer, startRedis, startRedisCluster, startRedisSentinel } from '@zmsg/testbed';
import { Redis } from 'ioredis';
import { FaultProxy } from '../fault-proxy.js';

const KINDS = ['single', 'cluster', 'sentinel'] as const;
export type RedisKind = (typeof KINDS)[number];

export function isRedisKind(text: string): text is RedisKind {
  return (KINDS as readonly string[]).includes(text);
}

interface Parts {
  readonly servers: readonly RedisServer[];
  readonly links: readonly FaultProxy[];
  /** By slot. */
  readonly addrs: readonly (string | readonly string[])[];
  /** By server. */
  readonly announcedPorts: readonly number[];
  readonly destroy: () => Promise<void>;
}

/**
 * The Redis of all nodes. A single one is behind a proxy for each node. Each master of a cluster is behind one for
 * all nodes, since it is the master that says where it is. Behind a Sentinel, which says so, there is none.
 */
export class RedisFleet {
  readonly servers: readonly RedisServer[];
  readonly links: readonly FaultProxy[];
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.servers = parts.servers;
    this.links = parts.links;
    this.#parts = parts;
  }

  static async start(kind: RedisKind, slots: number, random: Random): Promise<RedisFleet> {
    const starts = { single: startSingle, cluster: startCluster, sentinel: startSentinel };
    return new RedisFleet(await starts[kind](slots, random));
  }

  addrOf(slot: number): string | readonly string[] {
    return this.#parts.addrs[slot] as string | readonly string[];
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
    // What a cluster's master announces is not in the file that it reads at start.
    const port = this.#parts.announcedPorts[this.servers.indexOf(server)];
    if (port !== undefined) await announce(server, port);
  }

  async destroy(): Promise<void> {
    for (const link of this.links) link.close();
    await this.#parts.destroy();
  }
}

async function startSingle(slots: number, random: Random): Promise<Parts> {
  const server = await startRedis();
  const links = Array.from({ length: slots }, () => new FaultProxy(server.port, random));
  const ports = await Promise.all(links.map((link) => link.listen()));
  const addrs = ports.map((port) => `127.0.0.1:${port}`);
  return { servers: [server], links, addrs, announcedPorts: [], destroy: () => server.destroy() };
}

async function startCluster(slots: number, random: Random): Promise<Parts> {
  const cluster = await startRedisCluster();
  for (const client of cluster.clients) client.on('error', () => {}); // its master is killed
  const servers = cluster.masters;
  const links = servers.map(({ port }) => new FaultProxy(port, random));
  const announcedPorts = await Promise.all(links.map((link) => link.listen()));
  await Promise.all(servers.map((server, at) => announce(server, announcedPorts[at] as number)));
  const addrs = new Array(slots).fill(announcedPorts.map((port) => `127.0.0.1:${port}`));
  return { servers, links, addrs, announcedPorts, destroy: () => cluster.destroy() };
}

async function startSentinel(slots: number): Promise<Parts> {
  const fleet = await startRedisSentinel();
  const servers = [fleet.master, fleet.replica];
  const addrs = new Array(slots).fill(fleet.addr);
  return { servers, links: [], addrs, announcedPorts: [], destroy: () => fleet.destroy() };
}

function announce(server: RedisServer, port: number): Promise<void> {
  return withClient(server, (client) => client.config('SET', 'cluster-announce-port', port));
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
