import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { IdOracle } from './id-oracle.js';
import { EPOCH_MS } from './ids-fixture.js';

const PROGRAM = fileURLToPath(new URL('./id-process.mjs', import.meta.url));

export interface IdProcessOptions {
  dsn: string;
  oracle: IdOracle;
  name: string;
  leaseTtlMs?: number;
  /** How far its clock is wrong at the start. */
  offsetMs?: number;
  epochMs?: number;
}

/** A process of its own with a generator; every id that it says it made is the oracle's. Killed when the test is finished. */
export class IdProcess {
  readonly #options: IdProcessOptions;
  readonly #child: ChildProcess;
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #lastCall = 0;
  #held: { node: number; from: bigint } | undefined;
  streamed = 0;
  #onStream: () => void = () => {};

  constructor(options: IdProcessOptions) {
    this.#options = options;
    const { dsn, leaseTtlMs = 30_000, offsetMs = 0, epochMs = EPOCH_MS } = options;
    const given = { connectionString: dsn, epochMs, leaseTtlMs, offsetMs };
    this.#child = fork(PROGRAM, [JSON.stringify(given)], { serialization: 'advanced' });
    this.#child.on('message', (message) => this.#take(message as Message));
    this.#child.on('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${options.name} ended`));
      this.#calls.clear();
    });
    onTestFinished(() => this.kill());
  }

  /** Takes a node id. `insisting`: as long as there is none, tries again. */
  async open({ insisting = false } = {}): Promise<number> {
    const { node, at } = await this.call<Held>('open', { insisting });
    this.#held = { node, from: at };
    return node;
  }

  /** Tries again what is refused. */
  async issue(count: number): Promise<void> {
    this.#options.oracle.issued(this.#options.name, await this.call<BigInt64Array>('issue', { count }));
  }

  /** The same in a thread that attaches to the generator. */
  async issueInThread(count: number): Promise<void> {
    this.#options.oracle.issued(
      `a thread of ${this.#options.name}`,
      await this.call<BigInt64Array>('thread', { count }),
    );
  }

  /** Resolves when `count` more ids were issued by `run`. */
  async streams(count: number): Promise<void> {
    const enough = this.streamed + count;
    while (this.streamed < enough)
      await new Promise<void>((resolve) => {
        this.#onStream = resolve;
      });
  }

  /** Gives the node id back. */
  async close(): Promise<void> {
    const { node, at: to } = await this.call<Held>('close');
    // A process that got no processor for so long that it lost its lease has another one now.
    const held = this.#held?.node === node ? this.#held : undefined;
    if (held !== undefined) this.#options.oracle.held(this.#options.name, { ...held, to });
    this.#held = undefined;
  }

  call<T = void>(name: string, args: Record<string, unknown> = {}): Promise<T> {
    const call = ++this.#lastCall;
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
      this.#child.send({ call, name, args });
    });
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** As by a power failure: it does not get to give anything back. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #take({ call, value, error, stream }: Message): void {
    if (stream !== undefined) {
      this.#options.oracle.issued(this.#options.name, stream);
      this.streamed += stream.length;
      this.#onStream();
      return;
    }
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (error === undefined) waiting?.resolve(value as never);
    else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }
}

interface Held {
  node: number;
  at: bigint;
}

interface Message {
  call: number;
  value?: unknown;
  error?: { code: string; message: string };
  stream?: BigInt64Array;
}
