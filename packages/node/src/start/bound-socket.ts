import * as net from 'node:net';

/**
 * A TCP socket that is bound and does not listen yet, or one that listens on behalf of others. This is
 * what node:cluster hands to its processes; `server.listen({ handle })` takes it.
 */
export interface BoundSocket {
  /** Not a number from 0 on Windows. */
  readonly fd: number;
  /** Fills in the address; a negative errno if binding has failed. */
  getsockname(address: { address?: string; port?: number }): number;
  close(): void;
}

/** The only entry to a bind without a listen. node:cluster itself is built on it; in Node.js 20 to 24 alike. */
type CreateServerHandle = (
  address: string | undefined,
  port: number,
  addressType: 4 | 6 | undefined,
  fd: number,
) => BoundSocket | number;

const { _createServerHandle: createServerHandle } = net as unknown as {
  _createServerHandle: CreateServerHandle;
};

/** A bound socket, or the (negative) errno. */
export function bindSocket(address: string, port: number): BoundSocket | number {
  const socket = createServerHandle(address, port, net.isIPv6(address) ? 6 : 4, -1);
  if (typeof socket === 'number') return socket;
  // libuv keeps "address in use" to itself until the socket is asked for something.
  const errno = socket.getsockname({});
  if (errno === 0) return socket;
  socket.close();
  return errno;
}

/** The bound socket behind a descriptor that this process has inherited. */
export function adoptSocket(fd: number): BoundSocket {
  const socket = createServerHandle(undefined, 0, undefined, fd);
  if (typeof socket === 'number') throw new Error(`descriptor ${fd} is no socket (errno ${-socket})`);
  return socket;
}
