import type { Redis } from 'ioredis';

/** Connections of this process by what names their master. */
const followers = new Map<string, Set<Redis>>();

/**
 * Keeps all connections that Sentinels lead to one master at the same one. A deposed master that is reachable goes
 * on answering until it is told, about ten seconds later: with invalidations from the new master and L2 at the old
 * one, a node would believe what nobody writes to any more. So the first connection that arrives elsewhere takes the
 * others along, each of which asks the Sentinels again.
 *
 * @param name The same for all that follow one master
 */
export function followOneMaster(name: string, client: Redis): void {
  const clients = followers.get(name) ?? new Set();
  followers.set(name, clients.add(client));
  client.on('ready', () => {
    const server = serverOf(client);
    for (const other of clients) {
      const its = serverOf(other);
      if (its !== undefined && its !== server) other.disconnect(true);
    }
  });
  client.once('end', () => {
    clients.delete(client);
    if (clients.size === 0) followers.delete(name);
  });
}

/** Undefined while it has no connection. */
function serverOf({ status, stream }: Redis): string | undefined {
  if (status !== 'connect' && status !== 'ready') return undefined;
  return `${stream.remoteAddress}:${stream.remotePort}`;
}
