/**
 * The few parts of PostgreSQL's wire protocol (version 3) that the embedded server must understand to
 * give its one session to one connection at a time.
 */

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const PROTOCOL_3 = 196_608;
/** PostgreSQL's own bounds. */
const MAX_STARTUP_BYTES = 10_000;
const MAX_MESSAGE_BYTES = 2 ** 30 - 1;

const code = (letter: string) => letter.charCodeAt(0);
const QUERY = code('Q');
const PARSE = code('P');
const SYNC = code('S');
const FLUSH = code('H');
const FUNCTION_CALL = code('F');
const PASSWORD = code('p');
const TERMINATE = code('X');

/** Messages that belong together: the session must not serve another connection in between. */
export type Unit =
  | { type: 'encryption' }
  | { type: 'cancel' }
  | { type: 'startup' }
  | { type: 'password'; password: string }
  | { type: 'terminate' }
  | { type: 'batch'; bytes: Buffer }
  /** Not the protocol, or beyond its bounds. */
  | { type: 'invalid' };

/** Cuts the bytes of one connection into units. */
export class UnitReader {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes below which another look is of no use: large messages are joined once, not at every chunk. */
  #needed = 8;
  #started = false;
  /** A stranger gets little memory. */
  #maxBytes = MAX_STARTUP_BYTES;

  /** After the password: messages as large as PostgreSQL takes them. */
  trust(): void {
    this.#maxBytes = MAX_MESSAGE_BYTES;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** The next whole unit, or undefined until more bytes have come. */
  next(): Unit | undefined {
    if (this.#size < this.#needed) return undefined;
    const buffer = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [buffer];
    return this.#started ? this.#batch(buffer) : this.#startup(buffer);
  }

  #take(buffer: Buffer, length: number): Buffer {
    this.#chunks = [buffer.subarray(length)];
    this.#size -= length;
    this.#needed = this.#started ? 5 : 8;
    return buffer.subarray(0, length);
  }

  #startup(buffer: Buffer): Unit | undefined {
    const length = buffer.readInt32BE(0);
    if (length < 8 || length > MAX_STARTUP_BYTES) return { type: 'invalid' };
    if (buffer.length < length) {
      this.#needed = length;
      return undefined;
    }
    const version = buffer.readInt32BE(4);
    this.#started = version === PROTOCOL_3;
    this.#take(buffer, length);
    if (version === SSL_REQUEST || version === GSS_REQUEST) return { type: 'encryption' };
    if (version === CANCEL_REQUEST) return { type: 'cancel' };
    return this.#started ? { type: 'startup' } : { type: 'invalid' };
  }

  #batch(buffer: Buffer): Unit | undefined {
    let offset = 0;
    while (buffer.length >= offset + 5) {
      const type = buffer[offset];
      const length = buffer.readInt32BE(offset + 1);
      if (length < 4 || offset + length > this.#maxBytes) return { type: 'invalid' };
      const end = offset + 1 + length;
      if (buffer.length < end) {
        this.#needed = end;
        return undefined;
      }
      if (type === TERMINATE) return { type: 'terminate' };
      if (type === PASSWORD) {
        return { type: 'password', password: this.#take(buffer, end).toString('utf8', offset + 5, end - 1) };
      }
      if (type === QUERY || type === SYNC || type === FLUSH || type === FUNCTION_CALL) {
        return { type: 'batch', bytes: this.#take(buffer, end) };
      }
      offset = end;
    }
    this.#needed = offset + 5;
    return undefined;
  }
}

/** The SQL of a batch that begins with Query or Parse. */
export function statementText(batch: Buffer): string | undefined {
  if (batch[0] === QUERY) return batch.toString('utf8', 5, batch.length - 1);
  if (batch[0] !== PARSE) return undefined;
  const start = batch.indexOf(0, 5) + 1;
  return batch.toString('utf8', start, batch.indexOf(0, start));
}

/** A batch that ends with Flush goes on: the answer to it says nothing about the end of a transaction. */
export function endsOpen(batch: Buffer): boolean {
  return batch.length >= 5 && batch[batch.length - 5] === FLUSH && batch.readInt32BE(batch.length - 4) === 4;
}

function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export const query = (text: string) => frame('Q', Buffer.from(`${text}\0`));
export const askPassword = frame('R', Buffer.from([0, 0, 0, 3]));
export const readyForQuery = (inTransaction: boolean) => frame('Z', Buffer.from(inTransaction ? 'T' : 'I'));
export const refuseEncryption = Buffer.from('N');

export function errorResponse(severity: 'ERROR' | 'FATAL', sqlState: string, message: string): Buffer {
  return frame('E', Buffer.from(`S${severity}\0V${severity}\0C${sqlState}\0M${message}\0\0`));
}

export function startupMessage(): Buffer {
  const body = Buffer.from('user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0');
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(PROTOCOL_3, 4);
  return Buffer.concat([head, body]);
}
