import type { PortRequest } from './shared-ports.js';
import type { StopListeners } from './stop-listeners.js';

/** Who runs the application here. */
export interface Launched {
  /** Worker thread of the one process, or a process of its own (`--cluster`). */
  readonly kind: 'thread' | 'process';
  /** From 1 to `count`. A restart keeps the number. */
  readonly number: number;
  readonly count: number;
}

/** Options for `server.listen()`, of HTTP, HTTPS, net and Fastify alike. */
export interface SharedListenOptions {
  readonly port: number;
  readonly host?: string;
  /** In a thread: the socket, which port and host then only describe. */
  readonly handle?: object;
}

/** What the launcher gives to the application in this thread. */
export interface AppContext extends Launched {
  readonly stopListeners: StopListeners;
  listenOptions(request: PortRequest): Promise<SharedListenOptions>;
}

/**
 * On the global object, not in this module: `zmsg-node` and the application may have loaded two copies of
 * this package.
 */
const CONTEXT = Symbol.for('@zmsg/node app context');

type Global = { [CONTEXT]?: AppContext };

export function setAppContext(context: AppContext): void {
  (globalThis as Global)[CONTEXT] = context;
}

/** Undefined outside of `zmsg-node start`. */
export function appContext(): AppContext | undefined {
  return (globalThis as Global)[CONTEXT];
}
