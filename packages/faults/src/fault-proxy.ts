import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '@zmsg/node';

/** Client and server side of one connection; no server side: accepted while nothing answered. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket | undefined;
}

/** `COMMIT` as a simple query of the PostgreSQL protocol. */
const COMMIT = Buffer.from('COMMIT\0');

/** A TCP proxy before PostgreSQL or Redis, on loopback, with a will of its own. */
export class FaultProxy {
  /** Share of COMMITs that never reach the server, and of those whose answer is lost; both end the connection. */
  commitsLost = 0;
  answersLost = 0;
  /** Added to every chunk, both ways, milliseconds. */
  latencyMs = 0;
  /** What it did, by kind. */
  readonly faults = new Map<string, number>();
  readonly #random: Random;
  readonly #port: number;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #isStalled = false;
  #isCut = false;

  constructor(port: number, random: Random) {
    this.#port = port;
    this.#random = random;
    this.#listener = createServer((client) => this.#accept(client));
  }

  /** Returns the port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#listener.listen(0, '127.0.0.1', resolve));
    return (this.#listener.address() as { port: number }).port;
  }

  /** Connections end with a RST: each with this probability. */
  reset(share = 1): void {
    this.#count('resets');
    for (const { client, server } of this.#pairs) {
      if (share < 1 && this.#random.fraction() >= share) continue;
      client.resetAndDestroy();
      server?.destroy();
    }
  }

  /** Half-open: connections stay, new ones are accepted, and nothing is answered. */
  stall(): void {
    this.#count('stalls');
    this.#isStalled = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server?.pause();
    }
  }

  /** Every connection ends with a RST, and new ones do, too. */
  cut(): void {
    this.#isCut = true;
    this.reset();
  }

  /** After a stall or a cut. */
  resume(): void {
    this.#isCut = false;
    this.#isStalled = false;
    for (const { client, server } of this.#pairs) {
      // Nobody is behind those that came meanwhile.
      if (server === undefined) client.resetAndDestroy();
      client.resume();
      server?.resume();
    }
  }

  /** No more faults. */
  heal(): void {
    this.commitsLost = 0;
    this.answersLost = 0;
    this.latencyMs = 0;
    if (this.#isStalled || this.#isCut) this.resume();
  }

  close(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server?.destroy();
    }
    this.#listener.close();
  }

  #accept(client: Socket): void {
    if (this.#isCut) {
      client.on('error', () => {}); // it has gone by itself
      client.resetAndDestroy();
      return;
    }
    const server = this.#isStalled ? undefined : connect(this.#port, '127.0.0.1');
    const pair: Pair = { client, server };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      socket?.on('error', () => {}); // a reset; `close` follows
      socket?.on('close', () => {
        this.#pairs.delete(pair);
        client.destroy();
        server?.destroy();
      });
    }
    if (server === undefined) {
      client.resume();
      return;
    }
    const toServer = this.#slowed(server);
    const toClient = this.#slowed(client);
    let answerIsLost = false;
    client.on('data', (data) => {
      if (data.includes(COMMIT)) {
        const draw = this.#random.fraction();
        if (draw < this.commitsLost) {
          this.#count('COMMITs lost');
          client.destroy();
          return;
        }
        answerIsLost = draw < this.commitsLost + this.answersLost;
      }
      toServer(data);
    });
    server.on('data', (data) => {
      if (answerIsLost) {
        this.#count('answers lost');
        client.destroy();
      } else toClient(data);
    });
  }

  /** Writes in order, each chunk late by the latency of its moment. */
  #slowed(socket: Socket): (data: Buffer) => void {
    let last: Promise<void> | undefined;
    return (data) => {
      if (this.latencyMs === 0 && last === undefined) {
        socket.write(data);
        return;
      }
      const { latencyMs } = this;
      const turn: Promise<void> = (last ?? Promise.resolve())
        .then(() => new Promise<void>((resolve) => setTimeout(resolve, latencyMs)))
        .then(() => {
          socket.write(data);
          if (last === turn) last = undefined;
        });
      last = turn;
    };
  }

  #count(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }
}
