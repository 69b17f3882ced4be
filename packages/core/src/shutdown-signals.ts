import { isMainThread } from 'node:worker_threads';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

type Signal = (typeof SIGNALS)[number];

/** What an engine does when the process is told to end. Neither rejects: they report by themselves. */
export interface Shutdown {
  /** Nobody else listens: the engine closes, and then the process ends as the signal says. */
  close(signal: Signal): Promise<void>;
  /** The application listens too and ends in its own way: what is pending is flushed now. */
  flush(signal: Signal): Promise<void>;
}

const open = new Set<Shutdown>();

/**
 * SIGTERM and SIGINT, for all open engines of the process. A second signal ends the process at once. Signals
 * arrive in the main thread only. Returns a function that takes the engine out again.
 */
export function onShutdown(shutdown: Shutdown): () => void {
  if (!isMainThread) return () => {};
  if (open.size === 0) listen();
  open.add(shutdown);
  return () => {
    if (open.delete(shutdown) && open.size === 0) unlisten();
  };
}

function listen(): void {
  for (const signal of SIGNALS) process.on(signal, receive);
}

function unlisten(): void {
  for (const signal of SIGNALS) process.off(signal, receive);
}

function receive(signal: Signal): void {
  const engines = [...open];
  if (process.listenerCount(signal) > 1) {
    for (const engine of engines) void engine.flush(signal);
    return;
  }
  // From here on a signal does what it does by default.
  unlisten();
  void Promise.all(engines.map((engine) => engine.close(signal))).then(() => {
    process.kill(process.pid, signal);
  });
}
