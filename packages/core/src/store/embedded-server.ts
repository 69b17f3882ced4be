import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { PGlite } from '@electric-sql/pglite';
import {
  askPassword,
  endsOpen,
  errorResponse,
  query,
  readyForQuery,
  refuseEncryption,
  startupMessage,
  statementText,
  type Unit,
  UnitReader,
} from './embedded-wire.js';

export interface EmbeddedServerOptions {
  database: PGlite;
  /** 0: any free one. */
  port: number;
  password: string;
  maxConnections: number;
  /** A connection that leaves its transaction idle for longer is closed, since it keeps all others waiting. */
  idleInTransactionMs: number;
  /** The database has ended and answers nothing any more. */
  onBroken: (error: unknown) => void;
}

/**
 * Many connections over PGlite's one session.
 *
 * A connection owns the session from the first message of a batch (up to Query or Sync) until the
 * batch has ended outside of a transaction; the others wait in line. `pglite-socket`, which does this
 * message by message, let another connection's unnamed statement in between Parse and Bind as soon as
 * a batch came in several chunks (17 of 160 queries failed with parameters of 8 MB), and waits forever
 * after an error that ends the session.
 *
 * Session state (SET, named prepared statements, session advisory locks) is shared by all connections.
 */
export class EmbeddedServer {
  readonly #options: EmbeddedServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #waiting: Connection[] = [];
  #owner: Connection | undefined;
  #idle: NodeJS.Timeout | undefined;
  #running = false;
  #closing = false;
  /** What PGlite answers to a startup message; the same for every connection. */
  #greeting: Buffer = Buffer.alloc(0);

  private constructor(options: EmbeddedServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.maxConnections;
  }

  static async start(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
    const server = new EmbeddedServer(options);
    server.#greeting = await server.#run(startupMessage());
    server.#server.listen(options.port, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections, rolls back what they left open. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#server.close();
    const closed = [...this.#connections].map((connection) => once(connection.socket, 'close'));
    for (const { socket } of this.#connections) socket.destroy();
    await Promise.all(closed);
    // The last owner's ROLLBACK may still be on its way.
    while (this.#running) await new Promise((resolve) => setImmediate(resolve));
  }

  #accept(socket: Socket): void {
    const connection: Connection = {
      socket,
      reader: new UnitReader(),
      authenticated: false,
      batch: undefined,
    };
    this.#connections.add(connection);
    socket.setTimeout(AUTHENTICATION_TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      connection.reader.push(chunk);
      this.#advance(connection);
    });
    // What matters about an error is the close that follows.
    socket.on('error', () => {});
    socket.on('close', () => this.#forget(connection));
  }

  /** Takes units until one must wait for the session; then nothing more is read from the socket. */
  #advance(connection: Connection): void {
    while (connection.batch === undefined && !connection.socket.destroyed) {
      const unit = connection.reader.next();
      if (unit === undefined) {
        connection.socket.resume();
        return;
      }
      this.#handle(connection, unit);
    }
    connection.socket.pause();
  }

  #handle(connection: Connection, unit: Unit): void {
    const { socket } = connection;
    switch (unit.type) {
      case 'encryption':
        socket.write(refuseEncryption);
        return;
      case 'startup':
        socket.write(askPassword);
        return;
      case 'password':
        if (!sameText(unit.password, this.#options.password)) {
          socket.end(errorResponse('FATAL', '28P01', 'password authentication failed'));
          socket.destroySoon();
          return;
        }
        connection.authenticated = true;
        connection.reader.trust();
        socket.setTimeout(0);
        socket.write(this.#greeting);
        return;
      case 'batch':
        if (!connection.authenticated) break;
        connection.batch = unit.bytes;
        if (this.#owner !== connection) this.#waiting.push(connection);
        this.#serve();
        return;
      default:
        // PGlite cannot be cancelled; a client that says goodbye or talks nonsense is let go.
        break;
    }
    socket.destroy();
  }

  #serve(): void {
    if (this.#running) return;
    this.#serveAll().catch((error: unknown) => {
      // PGlite throws only when its session has ended: nobody is left to answer.
      if (!this.#closing) this.#options.onBroken(error);
    });
  }

  async #serveAll(): Promise<void> {
    this.#running = true;
    try {
      for (;;) {
        const owner = this.#owner ?? this.#waiting.shift();
        this.#owner = owner;
        if (owner === undefined) return;
        clearTimeout(this.#idle);
        if (owner.socket.destroyed) {
          await this.#run(query('ROLLBACK'));
          this.#owner = undefined;
        } else if (owner.batch !== undefined) {
          await this.#answer(owner, owner.batch);
        } else {
          this.#idle = setTimeout(() => this.#expire(owner), this.#options.idleInTransactionMs);
          return;
        }
      }
    } finally {
      this.#running = false;
    }
  }

  async #answer(owner: Connection, batch: Buffer): Promise<void> {
    const inTransaction = () => this.#options.database.isInTransaction();
    const text = statementText(batch);
    if (text !== undefined && COPY_FROM_STDIN.test(text)) {
      // PGlite ends the session when it finds no more input. (A COPY behind a comment gets there.)
      const refusal = errorResponse('ERROR', '0A000', 'the embedded PostgreSQL has no COPY FROM STDIN');
      owner.socket.write(Buffer.concat([refusal, readyForQuery(inTransaction())]));
    } else {
      const answer = await this.#run(batch);
      if (!owner.socket.destroyed) owner.socket.write(answer);
    }
    owner.batch = undefined;
    if (!endsOpen(batch) && !inTransaction()) this.#owner = undefined;
    this.#advance(owner);
  }

  #expire(owner: Connection): void {
    const message = 'terminating connection due to idle-in-transaction timeout';
    owner.socket.end(errorResponse('FATAL', '25P03', message));
    owner.socket.destroySoon();
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    const place = this.#waiting.indexOf(connection);
    if (place >= 0) this.#waiting.splice(place, 1);
    if (this.#owner === connection) this.#serve();
  }

  async #run(bytes: Buffer): Promise<Buffer> {
    const answer: Buffer[] = [];
    // PGlite tells startup from other messages by the first byte and answers startup in its return value.
    if (bytes[0] === 0) return Buffer.from(await this.#options.database.execProtocolRaw(bytes));
    await this.#options.database.execProtocolRawStream(bytes, {
      // The data lies in PGlite's memory and is gone after the call.
      onRawData: (data) => answer.push(Buffer.from(data)),
    });
    return Buffer.concat(answer);
  }
}

interface Connection {
  readonly socket: Socket;
  readonly reader: UnitReader;
  authenticated: boolean;
  /** Taken from the socket and not yet answered. */
  batch: Buffer | undefined;
}

/** As PostgreSQL's `authentication_timeout`. */
const AUTHENTICATION_TIMEOUT_MS = 60_000;
const COPY_FROM_STDIN = /(?:^|;)\s*copy\s[^;]*\bfrom\s+stdin\b/i;

function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
