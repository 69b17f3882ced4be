import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { StoreError } from '@zmsg/workers';
import type { Logger } from 'pino';
import type { EmbeddedCommand, EmbeddedReport, EmbeddedWorkerData } from './embedded-messages.js';

export interface EmbeddedOptions {
  /** The database lies in `<dataDir>/postgres`. The caller holds the directory's lock. */
  dataDir: string;
  logger: Logger;
  /** Longest wait for the database, milliseconds; a new one is created in 3 to 5 s. @default 120000 */
  startTimeoutMs?: number;
  /** Longest time that a connection may leave a transaction idle, milliseconds. @default 60000 */
  idleInTransactionMs?: number;
}

export interface Embedded {
  /** For `pg`, with a password that only this process knows. Loopback only. */
  readonly connectionString: string;
  /** Writes a checkpoint and ends the thread; connections are cut. Calling it again waits for the same end. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 1000;
const START_TIMEOUT_MS = 120_000;
const IDLE_IN_TRANSACTION_MS = 60_000;
const CLOSE_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 16_384;
/** Written when a database has been created completely. */
const COMPLETE = 'zmsg.complete';

/**
 * Starts PGlite in a worker thread. Data survives the end of the process, also by `kill -9`; it is not
 * synced to the disk, so it may not survive a power failure. For development, demos and tests.
 *
 * ```
 * starting ──ready──▶ running ──close()──▶ closed
 *     │                 │  ▲
 *     └─▶ StoreError    └──┘ the thread died: started again on the same port
 * ```
 *
 * @throws StoreError when the database cannot be started: unreadable, of another version, damaged.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dir = prepareDir(join(options.dataDir, 'postgres'), options.logger);
  const embedded = new EmbeddedThread(options, dir);
  await embedded.start(0);
  writeFileSync(join(dir, COMPLETE), '');
  const message = `embedded PostgreSQL (PGlite) in ${dir}: for development, demos and tests`;
  if (process.env.NODE_ENV === 'production') {
    options.logger.warn(`${message}; set postgres_dsn in production`);
  } else {
    options.logger.info(message);
  }
  return embedded;
}

/** Whether there is a database to start in this data directory, created completely. */
export function hasEmbedded(dataDir: string): boolean {
  return existsSync(join(dataDir, 'postgres', COMPLETE));
}

/** A database whose creation was interrupted cannot be opened: it is moved aside, never deleted. */
function prepareDir(dir: string, logger: Logger): string {
  try {
    if (existsSync(dir) && !existsSync(join(dir, COMPLETE)) && readdirSync(dir).length > 0) {
      const aside = `${dir}.incomplete-${Date.now()}`;
      renameSync(dir, aside);
      logger.warn(`the creation of ${dir} was interrupted; moved it to ${aside}`);
    }
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  } catch (error) {
    throw new StoreError(`the embedded PostgreSQL cannot use ${dir}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

class EmbeddedThread implements Embedded {
  readonly #options: EmbeddedOptions;
  readonly #dir: string;
  readonly #password = randomBytes(24).toString('base64url');
  #worker: Worker | undefined;
  #port = 0;
  #closed: Promise<void> | undefined;

  constructor(options: EmbeddedOptions, dir: string) {
    this.#options = options;
    this.#dir = dir;
  }

  get connectionString(): string {
    return `postgresql://postgres:${this.#password}@127.0.0.1:${this.#port}/postgres`;
  }

  async start(port: number): Promise<void> {
    const data: EmbeddedWorkerData = {
      dir: this.#dir,
      port,
      password: this.#password,
      maxConnections: MAX_CONNECTIONS,
      idleInTransactionMs: this.#options.idleInTransactionMs ?? IDLE_IN_TRANSACTION_MS,
    };
    const worker = new Worker(new URL('./embedded-worker.js', import.meta.url), {
      name: 'zmsg-embedded',
      workerData: data,
      // Flags of the process (loaders, --input-type, --inspect) are not meant for this thread; some end it.
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    this.#worker = worker;
    const output = collect([worker.stdout, worker.stderr]);
    try {
      this.#port = await readyPort(worker, this.#options.startTimeoutMs ?? START_TIMEOUT_MS);
    } catch (error) {
      // A second failure while it is being ended is of no interest.
      worker.on('error', () => {});
      await worker.terminate();
      const lines = output().trim();
      const detail = lines === '' ? '' : `; it printed: ${lines}`;
      throw new StoreError(
        `the embedded PostgreSQL in ${this.#dir} did not start: ${(error as Error).message}${detail}`,
        { cause: error },
      );
    }
    this.#supervise(worker, output);
  }

  #supervise(worker: Worker, output: () => string): void {
    let reason = 'its thread ended';
    worker.on('message', (report: EmbeddedReport) => {
      if (report.type === 'failed') reason = report.message;
    });
    worker.on('error', (error: Error) => {
      reason = error.message;
    });
    worker.once('exit', () => {
      if (this.#closed !== undefined) return;
      const { logger } = this.#options;
      logger.error({ output: output() }, `the embedded PostgreSQL failed: ${reason}`);
      this.start(this.#port).then(
        () => logger.warn('the embedded PostgreSQL runs again'),
        (error: unknown) =>
          logger.error({ err: error }, 'the embedded PostgreSQL could not be started again'),
      );
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined || worker.threadId === -1) return;
    const exited = once(worker, 'exit');
    worker.postMessage({ type: 'close' } satisfies EmbeddedCommand);
    // A statement that does not end must not keep the process from ending; the next start recovers.
    const timer = setTimeout(() => {
      this.#options.logger.warn(
        `the embedded PostgreSQL did not close within ${CLOSE_TIMEOUT_MS} ms; ended it`,
      );
      worker.terminate().catch(() => {});
    }, CLOSE_TIMEOUT_MS);
    try {
      await exited;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The port that the thread listens on, as soon as it does. */
async function readyPort(worker: Worker, timeoutMs: number): Promise<number> {
  const settled = new AbortController();
  const deadline = AbortSignal.timeout(timeoutMs);
  const failed = (error: Error) => Promise.reject(error);
  const options = { signal: AbortSignal.any([settled.signal, deadline]) };
  try {
    return await Promise.race([
      once(worker, 'message', options).then(([report]: EmbeddedReport[]) =>
        report?.type === 'ready'
          ? report.port
          : failed(new Error(report?.type === 'failed' ? report.message : 'it closed')),
      ),
      once(worker, 'exit', options).then(() => failed(new Error('its thread ended'))),
    ]);
  } catch (error) {
    throw deadline.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error;
  } finally {
    settled.abort();
  }
}

/** What PostgreSQL prints to explain a failure; the last part of it. */
function collect(streams: Readable[]): () => string {
  let text = '';
  for (const stream of streams) {
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      text = (text + chunk).slice(-MAX_OUTPUT_BYTES);
    });
  }
  return () => text;
}
