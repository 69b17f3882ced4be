import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Before a server on loopback: a link that a test can cut, make half-open or slow. */
export async function startTcpProxy(port: number): Promise<TcpProxy> {
  const proxy = new TcpProxy(port);
  await proxy.listen();
  return proxy;
}

interface Pair {
  readonly client: Socket;
  /** Undefined: accepted while nothing answered. */
  readonly server: Socket | undefined;
}

export class TcpProxy {
  readonly #target: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #mode: 'open' | 'stalled' | 'refusing' = 'open';
  /** Milliseconds that everything takes on its way, in each direction, in its order. Not to be changed under traffic. */
  delayMs = 0;

  constructor(target: number) {
    this.#target = target;
    this.#listener = createServer((client) => this.#accept(client));
  }

  async listen(): Promise<void> {
    this.#listener.listen(0, '127.0.0.1');
    await once(this.#listener, 'listening');
  }

  get port(): number {
    return (this.#listener.address() as { port: number }).port;
  }

  get addr(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Every connection ends with a RST, and new ones do, too, until `heal()`. */
  cut(): void {
    this.#mode = 'refusing';
    this.reset();
  }

  /** Every connection ends with a RST. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server?.destroy();
    }
  }

  /** Half-open: connections stay, new ones are accepted, and nothing is answered. */
  stall(): void {
    this.#mode = 'stalled';
    for (const { client, server } of this.#pairs) {
      client.pause();
      server?.pause();
    }
  }

  /** What was stalled goes on with all that was sent meanwhile. */
  heal(): void {
    this.#mode = 'open';
    for (const { client, server } of this.#pairs) {
      if (server === undefined) client.resetAndDestroy();
      client.resume();
      server?.resume();
    }
  }

  close(): void {
    this.cut();
    this.#listener.close();
  }

  #accept(client: Socket): void {
    client.on('error', () => {}); // a reset; `close` follows
    if (this.#mode === 'refusing') {
      client.resetAndDestroy();
      return;
    }
    const server = this.#mode === 'stalled' ? undefined : connect(this.#target, '127.0.0.1');
    const pair = { client, server };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server?.destroy();
    };
    client.on('close', end);
    if (server === undefined) return;
    server.on('error', () => {}); // `close` follows
    server.on('close', end);
    client.on('data', (data) => this.#pass(data, server));
    server.on('data', (data) => this.#pass(data, client));
  }

  #pass(data: Buffer, to: Socket): void {
    if (this.delayMs === 0) to.write(data);
    // Timers of one duration fire in the order in which they were set.
    else setTimeout(() => to.write(data), this.delayMs);
  }
}
