import { isMainThread } from 'node:worker_threads';
import type { Engine } from './engine.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type Signal = (typeof SIGNALS)[number];

type Closable = Pick<Engine, 'logger' | 'shards' | 'options'>;

/** Open engines of the process, and how each is closed. */
const open = new Map<Closable, () => Promise<void>>();

/**
 * SIGTERM and SIGINT, for all open engines of the process: they are closed, and then the process ends as the
 * signal says; a second signal ends it at once. If the application listens to the signal itself, what is
 * pending is flushed, and the end is the application's. Signals arrive in the main thread only.
 *
 * Returns a function that takes the engine out again.
 */
export function onShutdown(engine: Closable, close: () => Promise<void>): () => void {
  if (!isMainThread) return () => {};
  if (open.size === 0) listen();
  open.set(engine, close);
  return () => {
    if (open.delete(engine) && open.size === 0) unlisten();
  };
}

function listen(): void {
  for (const signal of SIGNALS) process.on(signal, receive);
}

function unlisten(): void {
  for (const signal of SIGNALS) process.off(signal, receive);
}

function receive(signal: Signal): void {
  if (process.listenerCount(signal) > 1) {
    for (const engine of open.keys()) void flush(engine, signal);
    return;
  }
  // From here on a signal does what it does by default.
  unlisten();
  void Promise.all([...open].map(([engine, close]) => end(engine, close, signal))).then(() => {
    process.kill(process.pid, signal);
  });
}

async function end({ logger }: Closable, close: () => Promise<void>, signal: Signal): Promise<void> {
  logger.info({ signal }, 'closing');
  // What was not written is in the log of the process, from the engine's own close.
  await close().catch(() => {});
}

async function flush({ logger, shards, options }: Closable, signal: Signal): Promise<void> {
  logger.info({ signal }, 'flushing');
  try {
    await shards.flush({ signal: AbortSignal.timeout(options.shutdownTimeoutMs) });
  } catch (error) {
    logger.error({ err: error, atRisk: shards.stats().atRisk }, 'not everything was flushed');
  }
}
