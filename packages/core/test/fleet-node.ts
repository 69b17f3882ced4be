import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ZMsgOptions } from '../dist/index.js';

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

const PROGRAM = fileURLToPath(new URL('fleet-node-process.mjs', import.meta.url));

/** An engine in a process of its own, asked over IPC. It ends with this process. */
export class FleetNode {
  readonly name: string;
  readonly #dataDir = mkdtempSync(join(tmpdir(), 'zmsg-fleet-'));
  readonly #options: ZMsgOptions;
  readonly #program: string;
  #child: ChildProcess | undefined;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  #asked = 0;

  private constructor(name: string, options: ZMsgOptions, program: string) {
    this.name = name;
    this.#options = {
      logLevel: 'error',
      batchShards: 1,
      redisPoolSize: 2,
      dataDir: this.#dataDir,
      ...options,
    };
    this.#program = program;
  }

  static async start(name: string, options: ZMsgOptions, program = PROGRAM): Promise<FleetNode> {
    const node = new FleetNode(name, options, program);
    await node.restart();
    return node;
  }

  /** After its end: on the same data directory. */
  async restart(): Promise<void> {
    const { name } = this;
    const child = fork(this.#program, [JSON.stringify({ options: this.#options, name })], {
      serialization: 'advanced',
    });
    child.on('message', ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`${name}: ${error}`));
    });
    child.once('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended: ${code ?? signal}`));
      this.#waiting.clear();
    });
    this.#child = child;
    await new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
  }

  /** `at`: milliseconds since 1970 at which the call is to begin. */
  ask<T>(call: string, args: readonly unknown[] = [], at?: number): Promise<T> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#child?.send({ id, call, args, at }, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async destroy(): Promise<void> {
    await this.kill();
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}
