import { Packr } from 'msgpackr';
import { checkKey } from '../key.js';

/** What an auditor asks of nodes. */
export type AuditRequest =
  /** Who is there, and some keys that its L1 has. */
  | { readonly kind: 'sample'; readonly count: number }
  /** What L1 has of these keys. */
  | { readonly kind: 'copies'; readonly keys: readonly string[] }
  /** What the database has of them, by the node's loaders. */
  | { readonly kind: 'load'; readonly keys: readonly string[] };

/** How an operator finds a node. */
export interface NodeName {
  readonly host: string;
  readonly pid: number;
  /** Of its ids; undefined: it has no lease now. */
  readonly nodeId: number | undefined;
}

/** A value in a cache. */
export interface Copy {
  /** Eight bytes, hexadecimal. */
  readonly digest: string;
  /** On the clock of who has it, milliseconds since 1970; `Infinity`: never. The same as long as nobody writes it. */
  readonly expiresAtMs: number;
}

/** What a node's loaders found. */
export type Loaded =
  | {
      /** Hexadecimal; undefined: there is no row. */
      readonly digest: string | undefined;
      /** From `zmsg_data`: what is cached is what is stored. */
      readonly isOwnTable: boolean;
    }
  /** The loader failed. */
  | 'failed';

export type AuditReply =
  | { readonly kind: 'sample'; readonly name: NodeName; readonly keys: readonly string[] }
  | { readonly kind: 'copies'; readonly copies: readonly (Copy | undefined)[] }
  | { readonly kind: 'load'; readonly loaded: readonly Loaded[] }
  /** It is still at work on an earlier request. */
  | { readonly kind: 'busy' };

/** Keys of one request. */
export const MAX_KEYS = 200;
const MAX_BYTES = 1024 * 1024;

/*
 * msgpack: [kind, …]. Copies: [digest, expiresAt] or nil. Loaded: [digest or nil, isOwnTable], or nil when
 * the loader failed.
 */
const packr = new Packr({ useRecords: false, moreTypes: false });

export function encodeRequest(request: AuditRequest): Buffer {
  return packr.pack([request.kind, request.kind === 'sample' ? request.count : request.keys]);
}

/** Undefined: damaged, too large, or of a version that is not known here. */
export function decodeRequest(bytes: Buffer): AuditRequest | undefined {
  const [kind, what] = unpack(bytes);
  if (kind === 'sample') {
    const isCount = Number.isInteger(what) && (what as number) >= 0 && (what as number) <= MAX_KEYS;
    return isCount ? { kind, count: what as number } : undefined;
  }
  if (kind !== 'copies' && kind !== 'load') return undefined;
  return areKeys(what) ? { kind, keys: what } : undefined;
}

export function encodeReply(reply: AuditReply): Buffer {
  switch (reply.kind) {
    case 'sample': {
      const { host, pid, nodeId } = reply.name;
      return packr.pack([reply.kind, reply.keys, host, pid, nodeId ?? null]);
    }
    case 'copies':
      return packr.pack([
        reply.kind,
        reply.copies.map((copy) => copy && [Buffer.from(copy.digest, 'hex'), copy.expiresAtMs]),
      ]);
    case 'load':
      return packr.pack([
        reply.kind,
        reply.loaded.map((each) =>
          each === 'failed'
            ? null
            : [each.digest === undefined ? null : Buffer.from(each.digest, 'hex'), each.isOwnTable],
        ),
      ]);
    case 'busy':
      return packr.pack([reply.kind]);
  }
}

/** Undefined: as `decodeRequest`, or not the answer for so many keys. */
export function decodeReply(bytes: Buffer, keys: number): AuditReply | undefined {
  const [kind, list, host, pid, nodeId] = unpack(bytes);
  if (kind === 'busy') return { kind };
  if (!Array.isArray(list)) return undefined;
  if (kind === 'sample') {
    if (!areKeys(list) || typeof host !== 'string' || typeof pid !== 'number') return undefined;
    const name = { host, pid, nodeId: typeof nodeId === 'number' ? nodeId : undefined };
    return { kind, keys: list, name };
  }
  if (list.length !== keys) return undefined;
  if (kind === 'copies') return { kind, copies: list.map(readCopy) };
  if (kind === 'load') return { kind, loaded: list.map(readLoaded) };
  return undefined;
}

function readCopy(value: unknown): Copy | undefined {
  if (!Array.isArray(value) || !(value[0] instanceof Uint8Array)) return undefined;
  return { digest: Buffer.from(value[0]).toString('hex'), expiresAtMs: Number(value[1]) };
}

function readLoaded(value: unknown): Loaded {
  if (!Array.isArray(value)) return 'failed';
  const digest = value[0] instanceof Uint8Array ? Buffer.from(value[0]).toString('hex') : undefined;
  return { digest, isOwnTable: value[1] === true };
}

function areKeys(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_KEYS && value.every(isKey);
}

function isKey(value: unknown): boolean {
  try {
    checkKey(value);
    return true;
  } catch {
    return false;
  }
}

function unpack(bytes: Buffer): unknown[] {
  if (bytes.length > MAX_BYTES) return [];
  try {
    const list: unknown = packr.unpack(bytes);
    return Array.isArray(list) ? list : [];
  } catch {
    return []; // damaged
  }
}
