import type { MessagePort } from 'node:worker_threads';
import type { PortRequest, SharedPort } from './shared-ports.js';

/** `workerData.zmsgNode` of an application thread. */
export interface ThreadData {
  readonly moduleUrl: string;
  readonly number: number;
  readonly count: number;
  /** Messages to and from the main thread; `parentPort` stays the application's. */
  readonly port: MessagePort;
}

export type FromThread =
  | { readonly type: 'ready' | 'finished' | 'stopped' }
  | { readonly type: 'stop failed'; readonly error: unknown }
  | { readonly type: 'bind'; readonly call: number; readonly request: PortRequest };

export type ToThread =
  | { readonly type: 'stop' }
  | { readonly type: 'bound'; readonly call: number; readonly port: SharedPort }
  | {
      readonly type: 'bind failed';
      readonly call: number;
      readonly message: string;
      readonly cause: unknown;
    };
