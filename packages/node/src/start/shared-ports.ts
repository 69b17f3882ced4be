import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { type BoundSocket, bindSocket } from './bound-socket.js';
import { LaunchError } from './launch-error.js';

/** What an application asks for; `host` as for `server.listen()`. */
export interface PortRequest {
  readonly port: number;
  readonly host: string | undefined;
}

export interface SharedPort {
  /** Valid in this process, until `close()`. */
  readonly fd: number;
  /** IP address that it is bound to. */
  readonly host: string;
  /** The number that 0 became. */
  readonly port: number;
}

/** All addresses: IPv6 and IPv4 in one, where there is IPv6. The order of `server.listen()`. */
const ANY = ['::', '0.0.0.0'];

/**
 * The ports that the threads share. Each is bound once, here, and not listened on: that the threads do,
 * each with a descriptor of its own. This one stays open while they come and go, so connections that
 * arrive when no thread is there wait for the next one, up to the backlog.
 */
export class SharedPorts {
  readonly #bound = new Map<string, Promise<SharedPort>>();
  readonly #sockets: BoundSocket[] = [];

  /**
   * Binds, or answers with what an earlier call has bound. Port 0 is any free one, the same each time.
   * @throws LaunchError `PORT`
   */
  bind(request: PortRequest): Promise<SharedPort> {
    const key = `${request.port} ${request.host ?? ''}`;
    const known = this.#bound.get(key);
    if (known !== undefined) return known;
    const binding = this.#bind(request);
    this.#bound.set(key, binding);
    binding.catch(() => this.#bound.delete(key)); // the next call tries again
    return binding;
  }

  /** Connections are refused as soon as no thread listens any more. */
  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
    this.#bound.clear();
  }

  async #bind({ port, host }: PortRequest): Promise<SharedPort> {
    let errno = 0;
    for (const address of await addressesOf(port, host)) {
      const socket = bindSocket(address, port);
      if (typeof socket === 'number') {
        errno = socket;
        continue;
      }
      // Windows has sockets without a descriptor.
      if (!(socket.fd >= 0)) {
        socket.close();
        throw new LaunchError('PORT', 'threads cannot share a port on this platform: use --cluster');
      }
      this.#sockets.push(socket);
      const bound: { address?: string; port?: number } = {};
      socket.getsockname(bound);
      return { fd: socket.fd, host: bound.address ?? address, port: bound.port ?? port };
    }
    const [code = String(errno), meaning = 'it cannot be bound'] = getSystemErrorMap().get(errno) ?? [];
    const cause = Object.assign(new Error(meaning), { code, syscall: 'bind' });
    throw new LaunchError('PORT', `port ${port} on ${host ?? 'all addresses'}: ${meaning} (${code})`, {
      cause,
    });
  }
}

async function addressesOf(port: number, host: string | undefined): Promise<string[]> {
  if (host === undefined) return ANY;
  if (isIP(host) !== 0) return [host];
  try {
    return [(await lookup(host)).address];
  } catch (error) {
    throw new LaunchError('PORT', `port ${port} on ${host}: there is no address of that name`, {
      cause: error,
    });
  }
}
