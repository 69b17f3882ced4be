import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { findRedisServer } from './redis-binary.js';

export interface RedisServerOptions {
  /** Arguments of redis-server, such as `['--maxmemory', '64mb']`. */
  args?: string[];
}

/** Starts a Redis of its own on a free loopback port, in a temporary directory. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = new RedisServer(findRedisServer(), await freePort(), options.args ?? []);
  await server.start();
  return server;
}

export class RedisServer {
  readonly port: number;
  readonly #binary: string;
  readonly #args: string[];
  readonly #dir = mkdtempSync(join(tmpdir(), 'zmsg-redis-'));
  #process: ChildProcess | undefined;

  constructor(binary: string, port: number, args: string[]) {
    this.#binary = binary;
    this.port = port;
    this.#args = args;
  }

  get addr(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--dir',
      this.#dir,
      '--save',
      '',
      '--databases',
      '256',
    ];
    const child = spawn(this.#binary, [...args, ...this.#args], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server ended with code ${code}: ${output}`)));
      child.stdout?.on('data', (chunk: Buffer) => {
        if (output.length < 65_536) output += chunk.toString();
        if (/ready to accept connections/i.test(output)) resolve();
      });
    });
    child.removeAllListeners('exit');
    child.unref();
  }

  /** One command over a connection of its own. */
  async call(command: string, ...args: string[]): Promise<unknown> {
    const client = new Redis(this.port, '127.0.0.1');
    try {
      return await client.call(command, ...args);
    } finally {
      client.disconnect();
    }
  }

  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.ref();
    child.kill('SIGCONT');
    child.kill(signal);
    await exited;
  }

  /** Stops the server and deletes its data. */
  async destroy(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
