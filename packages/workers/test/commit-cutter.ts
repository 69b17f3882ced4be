import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';

/**
 * What happens to the next COMMIT:
 * - pass: nothing special.
 * - cut before: it never reaches the server; both sides see their connection end.
 * - cut after: the server commits, its answer is lost.
 * - late: the client sees its connection end, the server gets the COMMIT at `release()`.
 */
type Fault = 'pass' | 'cut before' | 'cut after' | 'late';

/** A TCP proxy before PostgreSQL that loses COMMITs or their answers. */
export class CommitCutter {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  next: Fault = 'pass';
  /** Sends the COMMIT that is held back. */
  release: () => void = () => {};

  constructor(port: number) {
    this.#server = createServer((client) => this.#serve(client, port));
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as { port: number }).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(client: Socket, port: number): void {
    const upstream = connectSocket(port, '127.0.0.1');
    let isCut = false;
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}); // a cut shows as a reset, too
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (!isCut) (socket === client ? upstream : client).destroy();
      });
    }
    client.on('data', (data) => {
      const fault = data.includes('COMMIT\0') ? this.next : 'pass';
      if (fault === 'pass') {
        upstream.write(data);
        return;
      }
      this.next = 'pass';
      isCut = true;
      if (fault === 'cut before') upstream.destroy();
      if (fault === 'cut after') {
        upstream.removeAllListeners('data');
        upstream.once('data', () => {
          upstream.destroy();
          client.destroy();
        });
        upstream.write(data);
        return;
      }
      if (fault === 'late') this.release = () => void upstream.write(data);
      client.destroy();
    });
    upstream.on('data', (data) => client.write(data));
  }
}
