import { InvalidKeyError } from '../error.js';
import { idPrefix } from './id-prefix.js';

export interface ParsedId {
  /** Undefined for an id without prefix. */
  readonly prefix: string | undefined;
  readonly time: Date;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  /** 0 to 1,023. */
  readonly node: number;
  /** 0 to 4,095. */
  readonly sequence: number;
}

const MAX_ID = 2n ** 63n - 1n;
// A prefix may hold underscores itself: the number stands behind the last one.
const ID = /^(?:(?<prefix>.+)_)?(?<number>0|[1-9][0-9]{0,18})$/s;

/**
 * Takes an id apart. `epochMs` must be the epoch it was made with (`id_epoch`).
 *
 * @throws InvalidKeyError when `id` is not text that `next` could have returned.
 */
export function parseId(id: string, epochMs: number): ParsedId {
  const groups = typeof id === 'string' ? ID.exec(id)?.groups : undefined;
  if (groups?.number === undefined) throw new InvalidKeyError(`not an id: ${shown(id)}`);
  const value = BigInt(groups.number);
  if (value > MAX_ID) throw new InvalidKeyError(`not an id, the number is past 63 bits: ${shown(id)}`);
  idPrefix(groups.prefix);
  const timestampMs = epochMs + Number(value >> 22n);
  return {
    prefix: groups.prefix,
    time: new Date(timestampMs),
    timestampMs,
    node: Number((value >> 12n) & 1023n),
    sequence: Number(value & 4095n),
  };
}

function shown(id: unknown): string {
  const text = typeof id === 'string' ? JSON.stringify(id) : `a value of type ${typeof id}`;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
