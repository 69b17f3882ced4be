import { bufferSlice } from './buffer-slice.js';
import { wordsOf } from './record.js';
import { LAPS_TRUSTED, type Segment } from './segment.js';

/** Larger values gain little: their time goes into the copy. */
export const NEAR_VALUE_BYTES = 1024;

/*
 * A row that each hit looks at, four to a line:
 *   0  changes of the segment when the entry was last found to be current
 *   1  number of the segment, plus USED
 *   2  expires at, float64
 */
const ROW_WORDS = 4;
const CHANGES = 0;
const SEGMENT_NUMBER = 1;
const EXPIRES = 2;
/** The entry was read since it came or was last spared. */
const USED = 1 << 16;

/*
 * What a hit looks at when the segment has changed since, in a row of its own:
 *   0  the slot's word that holds the place    1  that place
 *   2  laps of the segment when the seal was looked at last
 *   3  epoch    4  the record's word that holds the seal    5  that seal
 */
const PROOF_WORDS = 6;
const PLACE_WORD = 0;
const PLACE = 1;
const LAPS = 2;
const EPOCH = 3;
const SEAL_WORD = 4;
const SEAL = 5;

/** Both rows, a Buffer on the V8 heap, a key there and its entry in the Map. */
const ENTRY_BYTES = (ROW_WORDS + PROOF_WORDS) * 4 + 200;
const SLAB_BYTES = 64 * 1024;
/** Entries spared in a row for one admission; the next goes. */
const MAX_SPARED = 16;

/** Hits that an admission must bring on average. It costs as much as several save, and each is the last that pays. */
const WORTHWHILE_HITS = 128;
const MAX_SAMPLING = 256;
/** Admissions after which it is asked whether they were worth while. */
const TRIAL = 1024;

/** What a record was when this thread accepted it. */
export interface NearRecord {
  readonly segmentNumber: number;
  readonly placeWord: number;
  readonly place: number;
  readonly laps: number;
  readonly expiresAt: number;
  readonly epoch: number;
  readonly sealWord: number;
  readonly seal: number;
}

/**
 * The hottest entries of one thread, by key: a hit here needs no hash, no search, no checksum and no copy.
 * Each use checks against the shared memory that the entry is still the key's, so it is never older than the
 * index.
 *
 * Entries come and go first in, first out, but one that was read is spared (as in CLOCK). A Buffer that was
 * handed out may be in use for ever, so its bytes are not used again: values are cut from slabs, one after
 * the other, and the spared ones are copied on. So a slab is the garbage collector's when the entries after
 * it have come, and at most `maxBytes` are in use here, what is on the V8 heap counted in.
 *
 * Who is admitted: keys that the index has seen hit three times. On a uniform load over many keys that is
 * hardly any, and a miss in an empty table costs next to nothing.
 */
export class NearTable {
  readonly #segments: readonly Segment[];
  readonly #maxBytes: number;
  readonly #maxRows: number;
  readonly #rowOf = new Map<string, number>();
  /** By row; all rows from the tail to the head, in a circle. */
  readonly #keys: (string | undefined)[] = [];
  readonly #values: (Buffer | undefined)[] = [];
  #rows = new Int32Array(0);
  #times = new Float64Array(0);
  #proofs = new Int32Array(0);
  #head = 0;
  #tail = 0;
  #count = 0;
  #bytes = 0;
  #slab = new ArrayBuffer(0);
  #slabWords = new Int32Array(0);
  #slabAt = 0;
  /** One of so many candidates is admitted. */
  #sampling = 1;
  #candidates = 0;
  #admissions = 0;
  #hits = 0;

  constructor(segments: readonly Segment[], maxBytes: number) {
    this.#segments = segments;
    this.#maxBytes = maxBytes;
    this.#maxRows = Math.floor(maxBytes / ENTRY_BYTES);
  }

  /** The row of the key; undefined if it is not near. */
  find(key: string): number | undefined {
    return this.#count === 0 ? undefined : this.#rowOf.get(key);
  }

  /**
   * Whether the slot still has the record of the row. As long as nothing in the segment has changed, that is
   * one load from a line that all entries of the segment share. A writer raises the number before it changes a
   * slot, and again before it returns: so whoever has seen the effect of a write, or was told of it, does not
   * find the number of before.
   */
  isCurrent(row: number): boolean {
    const at = row * ROW_WORDS;
    const rows = this.#rows;
    const segment = this.#segments[(rows[at + SEGMENT_NUMBER] as number) & (USED - 1)] as Segment;
    return segment.changesNow === rows[at + CHANGES] || this.#isProven(row, segment);
  }

  /**
   * The same place means the same record as long as its ring has not gone round often enough for places to
   * come back. After many laps, and after the segment was emptied, which counts as many, the epoch and the seal
   * tell records apart, as in read-path.ts. The place is loaded before the laps: whoever published a later
   * record under it had counted its laps before.
   */
  #isProven(row: number, segment: Segment): boolean {
    const { words, changesNow } = segment;
    const proofs = this.#proofs;
    const at = row * PROOF_WORDS;
    if (Atomics.load(words, proofs[at + PLACE_WORD] as number) !== proofs[at + PLACE]) return false;
    const laps = segment.lapsNow;
    if ((laps - (proofs[at + LAPS] as number)) >>> 0 >= LAPS_TRUSTED) {
      if (segment.epochNow !== proofs[at + EPOCH]) return false;
      if (words[proofs[at + SEAL_WORD] as number] !== proofs[at + SEAL]) return false;
      proofs[at + LAPS] = laps;
    }
    // The number was loaded before the place: who changes the slot after that has raised it by then.
    if ((changesNow & 1) === 0) this.#rows[row * ROW_WORDS + CHANGES] = changesNow;
    return true;
  }

  expiresAt(row: number): number {
    return this.#times[(row * ROW_WORDS + EXPIRES) >> 1] as number;
  }

  /** The value, which all who read the key share. */
  use(row: number): Buffer {
    this.#hits += 1;
    const at = row * ROW_WORDS + SEGMENT_NUMBER;
    const word = this.#rows[at] as number;
    if (word < USED) this.#rows[at] = word | USED;
    return this.#values[row] as Buffer;
  }

  /** Its room comes back when the tail reaches it. */
  delete(key: string, row: number): void {
    this.#rowOf.delete(key);
    this.#keys[row] = undefined;
  }

  /** Takes in a copy of the value, which is at `from` in `words`, unless the table is better off without. */
  admit(key: string, record: NearRecord, words: Int32Array, from: number, byteLength: number): void {
    this.#candidates += 1;
    if (this.#candidates < this.#sampling) return;
    this.#candidates = 0;
    const cost = costOf(byteLength);
    if (cost > this.#maxBytes >> 2) return;
    if (this.#rows.length === 0) this.#allocate();
    for (let spared = 0; this.#bytes + cost > this.#maxBytes || this.#count === this.#maxRows; ) {
      if (this.#dropTail(spared < MAX_SPARED)) spared += 1;
    }
    this.#admissions += 1;
    if (this.#admissions === TRIAL) this.#judge();

    const row = this.#append(key, words, from, byteLength);
    const at = row * ROW_WORDS;
    // A number that does not come again: the first use looks at the slot.
    this.#rows[at + CHANGES] = ((this.#segments[record.segmentNumber] as Segment).changesNow & ~1) - 2;
    this.#rows[at + SEGMENT_NUMBER] = record.segmentNumber;
    this.#times[(at + EXPIRES) >> 1] = record.expiresAt;
    const proofs = this.#proofs;
    const proof = row * PROOF_WORDS;
    proofs[proof + PLACE_WORD] = record.placeWord;
    proofs[proof + PLACE] = record.place;
    proofs[proof + LAPS] = record.laps;
    proofs[proof + EPOCH] = record.epoch;
    proofs[proof + SEAL_WORD] = record.sealWord;
    proofs[proof + SEAL] = record.seal;
  }

  /** A new row at the head, with a copy of the value. */
  #append(key: string, words: Int32Array, from: number, byteLength: number): number {
    const row = this.#head;
    this.#head = row + 1 === this.#maxRows ? 0 : row + 1;
    this.#count += 1;
    this.#bytes += costOf(byteLength);
    const count = wordsOf(byteLength);
    if (this.#slabAt + count > this.#slabWords.length) {
      this.#slab = new ArrayBuffer(SLAB_BYTES);
      this.#slabWords = new Int32Array(this.#slab);
      this.#slabAt = 0;
    }
    const to = this.#slabAt;
    this.#slabAt = to + count;
    const slab = this.#slabWords;
    for (let i = 0; i < count; i += 1) slab[to + i] = words[from + i] as number;
    this.#keys[row] = key;
    this.#values[row] = bufferSlice(this.#slab, to * 4, byteLength);
    this.#rowOf.set(key, row);
    return row;
  }

  /** Takes the row at the tail away; if it was used, and may be spared, to the head. True: it was spared. */
  #dropTail(maySpare: boolean): boolean {
    const row = this.#tail;
    this.#tail = row + 1 === this.#maxRows ? 0 : row + 1;
    this.#count -= 1;
    const key = this.#keys[row];
    const value = this.#values[row] as Buffer;
    this.#bytes -= costOf(value.length);
    this.#values[row] = undefined;
    this.#keys[row] = undefined;
    if (key === undefined) return false;
    const at = row * ROW_WORDS;
    if (!maySpare || (this.#rows[at + SEGMENT_NUMBER] as number) < USED) {
      this.#rowOf.delete(key);
      return false;
    }
    const words = new Int32Array(value.buffer, value.byteOffset, wordsOf(value.length));
    const to = this.#append(key, words, 0, value.length);
    for (let i = 0; i < ROW_WORDS; i += 1) this.#rows[to * ROW_WORDS + i] = this.#rows[at + i] as number;
    this.#rows[to * ROW_WORDS + SEGMENT_NUMBER] = (this.#rows[at + SEGMENT_NUMBER] as number) & (USED - 1);
    const proofs = this.#proofs;
    for (let i = 0; i < PROOF_WORDS; i += 1) {
      proofs[to * PROOF_WORDS + i] = proofs[row * PROOF_WORDS + i] as number;
    }
    return true;
  }

  /** A table that is filled faster than it is used admits fewer, down to one in 256. */
  #judge(): void {
    const paid = this.#hits >= WORTHWHILE_HITS * this.#admissions;
    this.#sampling = paid ? Math.max(1, this.#sampling >> 1) : Math.min(MAX_SAMPLING, this.#sampling << 1);
    this.#admissions = 0;
    this.#hits = 0;
  }

  /** As many rows as there can be: the system gives the pages when they are written. */
  #allocate(): void {
    this.#rows = new Int32Array(this.#maxRows * ROW_WORDS);
    this.#times = new Float64Array(this.#rows.buffer);
    this.#proofs = new Int32Array(this.#maxRows * PROOF_WORDS);
  }
}

function costOf(byteLength: number): number {
  return ENTRY_BYTES + wordsOf(byteLength) * 4;
}
