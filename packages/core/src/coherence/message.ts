/*
 *  byte 0    1      2 … 17     18 … 25             26 …
 *  ┌────────┬──────┬──────────┬───────────────────┬──────┐
 *  │ format │ kind │ instance │ sequence, float64 │ body │
 *  └────────┴──────┴──────────┴───────────────────┴──────┘
 *
 * `instance`: 16 random bytes, new with each engine that is opened, so a sequence never starts again.
 * `sequence`: of `keys` and `all` their own number, from 1; of the others the last one that was used.
 * Keys: a 16-bit length and the UTF-8 bytes, one after the other. Numbers are little endian.
 */
const FORMAT = 1;
const HEADER_BYTES = 26;
export const INSTANCE_BYTES = 16;
const DIGEST_BYTES = 8;

const KINDS = ['keys', 'all', 'beat', 'bye', 'ask', 'answer', 'request', 'reply'] as const;
/** In a request: every node is asked. */
const EVERYBODY = '0'.repeat(2 * INSTANCE_BYTES);
type Kind = (typeof KINDS)[number];

const OWES = 1;
const WANTS_ANSWER = 2;

/** What nodes tell each other. */
export type Body =
  /** These keys were written or deleted. */
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  /** Any key may have been. */
  | { readonly kind: 'all' }
  /** The sender is there. */
  | {
      readonly kind: 'beat';
      /** On the sender's monotonic clock: what comes back to it tells how old its view is, milliseconds. */
      readonly sentMs: number;
      /** Redis may have old values that the sender has not yet deleted. */
      readonly owes: boolean;
      /** The others are to beat now. */
      readonly wantsAnswer: boolean;
    }
  /** The sender has written its last. */
  | { readonly kind: 'bye' }
  | { readonly kind: 'ask'; readonly question: number; readonly keys: readonly string[] }
  | {
      readonly kind: 'answer';
      /** Who asked. */
      readonly to: string;
      readonly question: number;
      readonly digests: readonly (Buffer | undefined)[];
    }
  /** Of an observer, which is no node: it writes nothing, and nobody waits for its messages. */
  | {
      readonly kind: 'request';
      /** Undefined: every node. */
      readonly to: string | undefined;
      readonly question: number;
      readonly body: Buffer;
    }
  /** On the observer's own channel. */
  | { readonly kind: 'reply'; readonly question: number; readonly body: Buffer };

export type Message = Body & {
  /** Hexadecimal. */
  readonly instance: string;
  readonly sequence: number;
};

/** Bytes that a key takes in a message. */
export function keyBytes(key: string): number {
  return 2 + Buffer.byteLength(key);
}

export function encodeMessage(instance: Buffer, sequence: number, body: Body): Buffer {
  const message = Buffer.alloc(HEADER_BYTES + bodyBytes(body));
  message[0] = FORMAT;
  message[1] = KINDS.indexOf(body.kind);
  message.set(instance, 2);
  message.writeDoubleLE(sequence, 2 + INSTANCE_BYTES);
  let at = HEADER_BYTES;
  switch (body.kind) {
    case 'keys':
      writeKeys(message, at, body.keys);
      break;
    case 'beat':
      at = message.writeDoubleLE(body.sentMs, at);
      message[at] = (body.owes ? OWES : 0) | (body.wantsAnswer ? WANTS_ANSWER : 0);
      break;
    case 'ask':
      at = message.writeUInt32LE(body.question, at);
      writeKeys(message, at, body.keys);
      break;
    case 'answer':
      message.write(body.to, at, 'hex');
      at = message.writeUInt32LE(body.question, at + INSTANCE_BYTES);
      for (const digest of body.digests) {
        message[at] = digest === undefined ? 0 : 1;
        if (digest !== undefined) message.set(digest.subarray(0, DIGEST_BYTES), at + 1);
        at += 1 + DIGEST_BYTES;
      }
      break;
    case 'request':
      at += message.write(body.to ?? EVERYBODY, at, 'hex');
      at = message.writeUInt32LE(body.question, at);
      message.set(body.body, at);
      break;
    case 'reply':
      at = message.writeUInt32LE(body.question, at);
      message.set(body.body, at);
      break;
  }
  return message;
}

/** Undefined: damaged, or of a version that is not known here. */
export function decodeMessage(message: Buffer): Message | undefined {
  if (message.length < HEADER_BYTES || message[0] !== FORMAT) return undefined;
  const body = decodeBody(KINDS[message[1] ?? -1], message.subarray(HEADER_BYTES));
  if (body === undefined) return undefined;
  return {
    ...body,
    instance: message.toString('hex', 2, 2 + INSTANCE_BYTES),
    sequence: message.readDoubleLE(2 + INSTANCE_BYTES),
  };
}

function decodeBody(kind: Kind | undefined, bytes: Buffer): Body | undefined {
  switch (kind) {
    case 'keys': {
      const keys = readKeys(bytes);
      return keys && { kind, keys };
    }
    case 'all':
    case 'bye':
      return { kind };
    case 'beat': {
      if (bytes.length < 9) return undefined;
      const flags = bytes[8] ?? 0;
      return {
        kind,
        sentMs: bytes.readDoubleLE(0),
        owes: (flags & OWES) !== 0,
        wantsAnswer: (flags & WANTS_ANSWER) !== 0,
      };
    }
    case 'ask': {
      const keys = bytes.length < 4 ? undefined : readKeys(bytes.subarray(4));
      return keys && { kind, question: bytes.readUInt32LE(0), keys };
    }
    case 'answer': {
      if (bytes.length < INSTANCE_BYTES + 4) return undefined;
      const digests: (Buffer | undefined)[] = [];
      for (let at = INSTANCE_BYTES + 4; at + DIGEST_BYTES < bytes.length; at += 1 + DIGEST_BYTES) {
        digests.push(bytes[at] === 1 ? bytes.subarray(at + 1, at + 1 + DIGEST_BYTES) : undefined);
      }
      const to = bytes.toString('hex', 0, INSTANCE_BYTES);
      return { kind, to, question: bytes.readUInt32LE(INSTANCE_BYTES), digests };
    }
    case 'request': {
      if (bytes.length < INSTANCE_BYTES + 4) return undefined;
      const to = bytes.toString('hex', 0, INSTANCE_BYTES);
      return {
        kind,
        to: to === EVERYBODY ? undefined : to,
        question: bytes.readUInt32LE(INSTANCE_BYTES),
        body: bytes.subarray(INSTANCE_BYTES + 4),
      };
    }
    case 'reply':
      if (bytes.length < 4) return undefined;
      return { kind, question: bytes.readUInt32LE(0), body: bytes.subarray(4) };
    default:
      return undefined;
  }
}

function bodyBytes(body: Body): number {
  switch (body.kind) {
    case 'keys':
      return keysBytes(body.keys);
    case 'beat':
      return 9;
    case 'ask':
      return 4 + keysBytes(body.keys);
    case 'answer':
      return INSTANCE_BYTES + 4 + body.digests.length * (1 + DIGEST_BYTES);
    case 'request':
      return INSTANCE_BYTES + 4 + body.body.length;
    case 'reply':
      return 4 + body.body.length;
    default:
      return 0;
  }
}

function keysBytes(keys: readonly string[]): number {
  let bytes = 0;
  for (const key of keys) bytes += keyBytes(key);
  return bytes;
}

function writeKeys(message: Buffer, start: number, keys: readonly string[]): void {
  let at = start;
  for (const key of keys) {
    const bytes = message.write(key, at + 2);
    message.writeUInt16LE(bytes, at);
    at += 2 + bytes;
  }
}

function readKeys(bytes: Buffer): string[] | undefined {
  const keys: string[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16LE(at);
    if (end > bytes.length) return undefined;
    keys.push(bytes.toString('utf8', at + 2, end));
    at = end;
  }
  return at === bytes.length ? keys : undefined;
}
