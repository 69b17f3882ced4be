import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type History, ProcessHistory } from './history.js';
import { monotonicMs } from './monotonic-clock.js';
import type { NodeCommand, NodeCounts, NodeMessage, NodeSpec } from './node-spec.js';

/** Longest time from being asked to stop to the end. */
const END_LIMIT_MS = 60_000;

/** A node process as the bench sees it. */
export class NodeProcess {
  readonly spec: NodeSpec;
  counts: NodeCounts = { l2Hits: 0, loads: 0, looks: 0, trusted: 0, rejected: {}, events: {} };
  /** Resolves when it has ended and all that it told is in the history. */
  readonly ended: Promise<void>;
  /** Resolves when its engine is open, or it has ended. */
  readonly opened: Promise<void>;
  isOpen = false;
  #isOver = false;
  #isExpected = false;
  #tooSlow = false;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  constructor(program: URL, spec: NodeSpec, logFile: string, history: History) {
    this.spec = spec;
    this.#logFile = logFile;
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [fileURLToPath(program), JSON.stringify(spec)], {
      stdio: ['ignore', log, log, 'pipe', 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    const told = new ProcessHistory(spec.slot);
    history.processes.set(spec.process, told);
    (child.stdio[3] as Readable).on('data', (chunk: Buffer) => told.take(chunk, history.writes));
    child.once('exit', () => {
      told.diedMs = monotonicMs();
    });
    let onOpen: () => void = () => {};
    this.opened = new Promise((resolve) => {
      onOpen = resolve;
    });
    child.on('message', (message: NodeMessage) => {
      if ('counts' in message) this.counts = message.counts;
      else {
        this.isOpen = true;
        onOpen();
      }
    });
    child.on('error', () => {}); // a command to one that has ended; `close` tells
    this.ended = new Promise((resolve) => {
      child.once('close', () => {
        this.#isOver = true;
        onOpen();
        resolve();
      });
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  tell(command: NodeCommand): void {
    if (this.#child.connected) this.#child.send(command, () => {}); // it may be dying
  }

  /** Ends by itself, by SIGKILL, and that is no fault. */
  expectDeath(): void {
    this.#isExpected = true;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#isExpected = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** In an orderly way. */
  async stop(): Promise<void> {
    this.tell('stop');
    const timer = setTimeout(() => {
      this.#tooSlow = true;
      this.#child.kill('SIGKILL');
    }, END_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
  }

  /** Why its end was a fault; undefined: it was none. */
  get complaint(): string | undefined {
    if (this.#tooSlow) return `it did not close within ${END_LIMIT_MS / 1000} s`;
    const { exitCode, signalCode } = this.#child;
    if (this.#isExpected || !this.#isOver || exitCode === 0) return undefined;
    return `ended with ${signalCode ?? `exit code ${exitCode}`}: ${readFileSync(this.#logFile, 'utf8').trimEnd().slice(-600)}`;
  }
}
