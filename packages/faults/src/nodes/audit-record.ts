/** What a node tells of: four float64 each, through a pipe. */
export const RECORD_DOUBLES = 4;
export const RECORD_BYTES = RECORD_DOUBLES * 8;

/**
 * | kind | key | first | second | third |
 * | --- | --- | --- | --- | --- |
 * | begin | key | write | about to be called at | 1: a deletion |
 * | done | key | write | acknowledged at | |
 * | failed | key | write | rejected at | |
 * | peek, get, getMany | key | write that was read | called at | answered at |
 * | lateRead | | | the same, in a turn that had stood still: see `Reads` | |
 * | stall | | | stood still from | to |
 * | trusted, doubt | | | hears all others, or may not, since | |
 * | missed | | | noticed that a message of another node did not come | |
 */
export const RECORD_KINDS = [
  'begin',
  'done',
  'failed',
  'peek',
  'get',
  'getMany',
  'lateRead',
  'stall',
  'trusted',
  'doubt',
  'missed',
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** Read instead of a write: there was no value; it was torn or another key's. */
export const ABSENT = -1;
export const DAMAGED = -2;

/** Writes of one process are numbered from its number times this. */
export const WRITES_PER_PROCESS = 1e9;

/** Process 0 is the bench: it wrote the first values. */
export function processOf(write: number): number {
  return Math.floor(write / WRITES_PER_PROCESS);
}

const KINDS = RECORD_KINDS.length;

export function packKind(kind: number, key: number): number {
  return key * KINDS + kind;
}

export function unpackKind(packed: number): { kind: RecordKind; key: number } {
  return { kind: RECORD_KINDS[packed % KINDS] as RecordKind, key: Math.floor(packed / KINDS) };
}
