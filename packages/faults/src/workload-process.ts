import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Ledger } from './ledger.js';
import type { Kept } from './oracle.js';
import type { WorkloadSpec } from './workload-spec.js';

export interface LaunchOptions {
  readonly spec: WorkloadSpec;
  /** What it prints goes here. */
  readonly logFile: string;
  /** `name=action:skip:times,…`, see `failpoint.ts`. */
  readonly failpoints?: string | undefined;
  /** Another program that keeps a ledger. @default workload.js */
  readonly program?: URL | undefined;
}

/** Longest time from being asked to end to the end: an outage, a flush and the close of an engine. */
const END_LIMIT_MS = 90_000;

/**
 * A workload process as the bench sees it.
 *
 *     launched ─▶ open ─▶ asked to stop ─▶ ended
 *        └──────────┴──── killed, died ──▶ ended
 */
export class WorkloadProcess {
  readonly ledger = new Ledger();
  readonly spec: WorkloadSpec;
  /** What of it must have survived. */
  kept: Kept = 'acknowledged';
  /** It may end by itself, or fail to open or to close, and that is no fault. */
  mayFail = false;
  /** Resolves when it has ended and the ledger is complete. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  #isOver = false;
  #tooSlow = false;
  #isKilled = false;
  #onOpen: () => void = () => {};
  /** Resolves when the engine is open or the process has ended. */
  readonly opened = new Promise<void>((resolve) => {
    this.#onOpen = resolve;
  });

  constructor({ spec, logFile, failpoints, program }: LaunchOptions) {
    this.spec = spec;
    this.#logFile = logFile;
    const file = fileURLToPath(program ?? new URL('workload.js', import.meta.url));
    const log = openSync(logFile, 'a');
    const env = failpoints === undefined ? process.env : { ...process.env, ZMSG_FAILPOINTS: failpoints };
    this.#child = spawn(process.execPath, [file, JSON.stringify(spec)], {
      stdio: ['pipe', log, log, 'pipe'],
      env,
    });
    closeSync(log);
    this.#child.stdin?.on('error', () => {}); // it has ended already
    const pipe = this.#child.stdio[3] as Readable;
    pipe.setEncoding('utf8');
    pipe.on('data', (chunk: string) => {
      this.ledger.take(chunk);
      if (this.ledger.openMs !== undefined) this.#onOpen();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      // `close` comes after the pipe has been read to its end.
      this.#child.once('close', () => {
        this.#isOver = true;
        this.#onOpen();
        resolve();
      });
    });
  }

  get run(): number {
    return this.spec.run;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Ended by SIGKILL, of the bench's or of its own. */
  get wasKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL';
  }

  /** No more calls; close in an orderly way. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    const timer = setTimeout(() => {
      this.#tooSlow = true;
      this.#child.kill('SIGKILL');
    }, END_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Why the end of this process is a fault; undefined: it is none. */
  get complaint(): string | undefined {
    const { hung, failures, isClosed } = this.ledger;
    if (hung.length > 0) return `${hung.length} calls were not settled, such as that of ${hung[0]}`;
    if (this.#tooSlow) return `it did not close within ${END_LIMIT_MS / 1000} s`;
    if (this.mayFail || this.#isKilled) return undefined;
    const { exitCode, signalCode } = this.#child;
    if (isClosed && exitCode === 0) return undefined;
    const how = signalCode ?? `exit code ${exitCode}`;
    return `ended with ${how}; ${failures[0] ?? lastLines(this.#logFile)}`;
  }
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().slice(-600);
}
