import { appContext, type SharedListenOptions } from './app-context.js';

export interface SharedListenRequest {
  /** 0: any free one, the same for all threads. */
  port: number;
  /** IP address or name. @default all addresses, IPv6 and IPv4, as `server.listen()` */
  host?: string | undefined;
}

const MAX_PORT = 65_535;

/**
 * Options for `server.listen()` with which the servers of all threads (or processes) serve one port; the
 * kernel gives each connection to a thread that is free to take it. Ask again for each server: the
 * options serve once. Outside of `zmsg-node start` they are just the port and the host.
 *
 *     server.listen(await sharedListen({ port: 3000 }));
 *     await fastify.listen(await sharedListen({ port: 3000, host: '127.0.0.1' }));
 *
 * Threads cannot share a port on Windows; the processes of `--cluster` can.
 *
 * @throws LaunchError `PORT` when the port cannot be bound. (In a process of `--cluster` the server says so.)
 * @throws RangeError when it is no port
 */
export async function sharedListen({ port, host }: SharedListenRequest): Promise<SharedListenOptions> {
  if (!Number.isInteger(port) || port < 0 || port > MAX_PORT) {
    throw new RangeError(`sharedListen: port ${String(port)} is not a whole number from 0 to ${MAX_PORT}`);
  }
  const context = appContext();
  if (context !== undefined) return context.listenOptions({ port, host });
  return host === undefined ? { port } : { port, host };
}
