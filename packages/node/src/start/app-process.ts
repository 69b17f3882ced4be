import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { LaunchError } from './launch-error.js';
import { errorOf, type FromProcess, type ProcessData, type ToProcess } from './process-messages.js';
import type { Unit, UnitEnd, UnitEvents } from './unit.js';

export interface AppProcessOptions {
  readonly data: ProcessData;
  /** Of this process alone. */
  readonly dataDir: string;
  readonly memoryMb: number | undefined;
  /** Exit code, or null when a signal ended it. */
  readonly onExit: (code: number | null) => void;
}

const MAIN = fileURLToPath(new URL('./process-main.js', import.meta.url));

/** The application in a process of its own, with its own engine. */
export class AppProcess implements Unit {
  readonly #worker: Worker;
  readonly #events: UnitEvents;
  #end: UnitEnd | undefined;
  #stopping = false;

  constructor({ data, dataDir, memoryMb, onExit }: AppProcessOptions, events: UnitEvents) {
    this.#events = events;
    const memory = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`];
    cluster.setupPrimary({
      exec: MAIN,
      args: [JSON.stringify(data)],
      execArgv: [...process.execArgv, ...memory],
    });
    this.#worker = cluster.fork({ ZMSG_DATA_DIR: dataDir });
    this.#worker.on('message', (message: FromProcess) => this.#receive(message));
    // A message to a process that has just died; its exit is what counts.
    this.#worker.on('error', () => {});
    this.#worker.process.once('error', (error) => {
      if (this.#worker.process.pid === undefined) this.#events.ended({ how: 'crashed', error });
    });
    this.#worker.process.once('exit', (code, signal) => {
      onExit(code);
      const error = new LaunchError('EXITED', `it ended with ${signal ?? `exit code ${code}`}`);
      this.#events.ended(this.#end ?? { how: 'crashed', error });
    });
  }

  stop(): void {
    this.#stopping = true;
    this.#tellToStop();
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  #tellToStop(): void {
    const message: ToProcess = { type: 'stop' };
    if (this.#worker.isConnected()) this.#worker.send(message);
    else this.#worker.process.kill('SIGTERM');
  }

  #receive(message: FromProcess): void {
    switch (message.type) {
      case 'listening':
        if (this.#stopping) this.#tellToStop();
        break;
      case 'ready':
        this.#events.ready();
        break;
      case 'stopped':
        this.#end ??= this.#stopping ? { how: 'stopped' } : { how: 'crashed', error: signalled() };
        break;
      case 'crashed':
        this.#end = { how: 'crashed', error: errorOf(message.error) };
        break;
      case 'stop failed':
        this.#events.stopFailed(errorOf(message.error));
    }
  }
}

/** Stopped in order, but not by its primary: it is to be started again. */
function signalled(): LaunchError {
  return new LaunchError('EXITED', 'it was sent SIGTERM, and has stopped');
}
