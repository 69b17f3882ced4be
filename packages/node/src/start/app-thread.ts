import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { ThreadLink } from '@zmsg/core';
import { LaunchError } from './launch-error.js';
import type { SharedPorts } from './shared-ports.js';
import type { FromThread, ThreadData, ToThread } from './thread-messages.js';
import type { Unit, UnitEnd, UnitEvents } from './unit.js';

export interface AppThreadOptions {
  readonly moduleUrl: string;
  /** `process.argv` from the third on. */
  readonly args: readonly string[];
  readonly number: number;
  readonly count: number;
  /** Limit of the thread's heap; undefined: that of Node.js. */
  readonly memoryMb: number | undefined;
  readonly ports: SharedPorts;
  /** `attach()` finds it in `workerData.zmsg`. What the thread holds of the engine comes free when it ends. */
  readonly engine: ThreadLink;
}

const MAIN = new URL('./thread-main.js', import.meta.url);

/** The application in a worker thread. */
export class AppThread implements Unit {
  readonly #options: AppThreadOptions;
  readonly #events: UnitEvents;
  readonly #worker: Worker;
  readonly #port: MessageChannel['port1'];
  #end: UnitEnd | undefined;

  constructor(options: AppThreadOptions, events: UnitEvents) {
    this.#options = options;
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const { moduleUrl, number, count, memoryMb, engine } = options;
    const zmsgNode: ThreadData = { moduleUrl, number, count, port: port2 };
    this.#worker = new Worker(MAIN, {
      name: `app ${number}`,
      argv: [...options.args],
      workerData: { zmsg: engine.handle, zmsgNode },
      transferList: [port2, ...engine.transferList],
      ...(memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
    });
    port1.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.once('error', (error) => {
      this.#end = { how: 'crashed', error };
    });
    this.#worker.once('exit', (code) => this.#exited(code));
  }

  stop(): void {
    this.#tell({ type: 'stop' });
  }

  kill(): void {
    void this.#worker.terminate(); // 'exit' tells when it is gone
  }

  #tell(message: ToThread): void {
    this.#port.postMessage(message);
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'ready':
        this.#events.ready();
        break;
      case 'finished':
      case 'stopped':
        this.#end ??= { how: message.type };
        break;
      case 'stop failed':
        this.#events.stopFailed(message.error);
        break;
      case 'bind':
        this.#options.ports.bind(message.request).then(
          (port) => this.#tell({ type: 'bound', call: message.call, port }),
          (error: Error) => {
            const { message: text, cause } = error;
            this.#tell({ type: 'bind failed', call: message.call, message: text, cause });
          },
        );
    }
  }

  #exited(code: number): void {
    // What it said last may not have been delivered yet.
    for (let last = receiveMessageOnPort(this.#port); last !== undefined; ) {
      this.#receive(last.message as FromThread);
      last = receiveMessageOnPort(this.#port);
    }
    this.#port.close();
    const why = code === 13 ? 'a top-level await that never settles' : 'process.exit() was called';
    const error = new LaunchError('EXITED', `it ended with exit code ${code}: ${why}`);
    this.#events.ended(this.#end ?? { how: 'crashed', error });
  }
}
