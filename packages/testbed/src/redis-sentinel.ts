import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { type RedisServer, startRedis } from './redis.js';
import { findRedisServer } from './redis-binary.js';

/** Starts a master, a replica of it, and one Sentinel that replaces a master which is silent for a second. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const master = await startRedis();
  const replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(master.port)] });
  const sentinel = new RedisSentinel(master, replica, await freePort());
  await sentinel.start();
  return sentinel;
}

export class RedisSentinel {
  /** At the start; the names stay when their parts change. */
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly masterName = 'mymaster';
  readonly port: number;
  readonly #dir = mkdtempSync(join(tmpdir(), 'zmsg-sentinel-'));
  #process: ChildProcess | undefined;

  constructor(master: RedisServer, replica: RedisServer, port: number) {
    this.master = master;
    this.replica = replica;
    this.port = port;
  }

  /** For `redis_addr`. */
  get addr(): string {
    return `redis+sentinel://127.0.0.1:${this.port}/${this.masterName}`;
  }

  async start(): Promise<void> {
    const file = join(this.#dir, 'sentinel.conf');
    const { masterName } = this;
    writeFileSync(
      file,
      [
        `port ${this.port}`,
        'bind 127.0.0.1',
        `dir ${this.#dir}`,
        `sentinel monitor ${masterName} 127.0.0.1 ${this.master.port} 1`,
        `sentinel down-after-milliseconds ${masterName} 1000`,
        `sentinel failover-timeout ${masterName} 5000`,
        '',
      ].join('\n'),
    );
    const child = spawn(findRedisServer(), [file, '--sentinel'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the Sentinel ended with code ${code}: ${output}`)));
      child.stdout?.on('data', (chunk: Buffer) => {
        if (output.length < 65_536) output += chunk.toString();
        // It must know of the replica before there is anything to fail over to.
        if (/\+slave slave/.test(output)) resolve();
      });
    });
    child.removeAllListeners('exit');
    child.unref();
  }

  async destroy(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null) {
      const exited = once(child, 'exit');
      child.ref();
      child.kill('SIGKILL');
      await exited;
    }
    await Promise.all([this.master.destroy(), this.replica.destroy()]);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
