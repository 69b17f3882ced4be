import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { type RedisServer, startRedis } from './redis.js';

const MASTERS = 3;
const SLOTS = 16_384;
const FORMING_MS = 30_000;

/** Starts a Redis Cluster of three masters without replicas on loopback. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const busPorts = await Promise.all(Array.from({ length: MASTERS }, freePort));
  const servers = await Promise.all(
    busPorts.map((busPort) =>
      startRedis({
        args: [
          '--cluster-enabled',
          'yes',
          '--cluster-node-timeout',
          '2000',
          '--cluster-port',
          String(busPort),
        ],
      }),
    ),
  );
  const cluster = new RedisCluster(servers);
  try {
    await cluster.form(busPorts);
  } catch (error) {
    await cluster.destroy();
    throw error;
  }
  return cluster;
}

export class RedisCluster {
  readonly masters: readonly RedisServer[];
  /** One client for each master, for what a test wants to see. */
  readonly clients: readonly Redis[];

  constructor(masters: readonly RedisServer[]) {
    this.masters = masters;
    this.clients = masters.map(({ addr }) => new Redis(`redis://${addr}`));
  }

  get addrs(): string[] {
    return this.masters.map(({ addr }) => addr);
  }

  async form(busPorts: readonly number[]): Promise<void> {
    const share = Math.ceil(SLOTS / MASTERS);
    for (const [at, client] of this.clients.entries()) {
      const range = [at * share, Math.min((at + 1) * share, SLOTS) - 1];
      await client.call('CLUSTER', 'ADDSLOTSRANGE', ...range.map(String));
      const first = [String(this.masters[0]?.port), String(busPorts[0])];
      if (at > 0) await client.call('CLUSTER', 'MEET', '127.0.0.1', ...first);
    }
    const deadline = Date.now() + FORMING_MS;
    while (!(await this.#isFormed())) {
      if (Date.now() > deadline) throw new Error(`the Redis Cluster did not form within ${FORMING_MS} ms`);
      await sleep(50);
    }
  }

  async destroy(): Promise<void> {
    for (const client of this.clients) client.disconnect();
    await Promise.all(this.masters.map((server) => server.destroy()));
  }

  async #isFormed(): Promise<boolean> {
    const infos = await Promise.all(this.clients.map((client) => client.call('CLUSTER', 'INFO')));
    return infos.every((info) => /cluster_state:ok[\s\S]*cluster_known_nodes:3/.test(String(info)));
  }
}
