import { bufferSlice } from './buffer-slice.js';
import { type CoarseClock, minuteOf } from './coarse-clock.js';
import type { HitBuffer } from './hit-buffer.js';
import { SEGMENT } from './layout.js';
import { wordsOf } from './record.js';
import type { Segment } from './segment.js';

/** Larger values gain little: their time goes into the copy. */
export const NEAR_VALUE_BYTES = 1024;

/*
 * A row that each hit looks at, four to a line:
 *   0  changes of the segment when the entry was last found to be current
 *   1  number of the segment, plus USED
 *   2  minute in which it expires
 */
const ROW_WORDS = 4;
const CHANGES = 0;
const SEGMENT_NUMBER = 1;
const MINUTE = 2;
/** No row. */
const NOWHERE = -1;
/** The entry was read since it came or was last spared. */
const USED = 1 << 16;

/*
 * What a hit looks at when the segment has changed since, in a row of its own:
 *   0  the slot's word that holds the place    1  that place
 *   2  laps of the segment when the seal was looked at last
 *   3  epoch    4  the record's word that holds the seal    5  that seal
 *   6  expires at, float64
 */
const PROOF_WORDS = 8;
const PLACE_WORD = 0;
const PLACE = 1;
const LAPS = 2;
const EPOCH = 3;
const SEAL_WORD = 4;
const SEAL = 5;
const EXPIRES = 6;

/** Both rows, a Buffer and a promise on the V8 heap, a key there and its entry in the Map. */
const ENTRY_BYTES = (ROW_WORDS + PROOF_WORDS) * 4 + 250;
const SLAB_BYTES = 64 * 1024;
/** Entries spared in a row for one admission; the next goes. */
const MAX_SPARED = 16;

/** Hits that an admission must bring on average. It costs as much as several save, and each is the last that pays. */
const WORTHWHILE_HITS = 128;
const MAX_SAMPLING = 256;
/** Entries that came in the place of others, after which it is asked whether that was worth while. */
const TRIAL = 1024;

/** Misses after which it is asked whether there was a hit for eight of them. If not, the table rests. */
const MISSES = 8192;
const REST = 16 * MISSES;

/** A place can come back after 64 laps of its ring; both rings of a segment count into `laps`. */
const LAPS_TRUSTED = 32;

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
 * Who is admitted: keys that the index has seen hit three times. A table in which hardly anything is found
 * rests: most looks then cost next to nothing, and nothing is admitted.
 */
export class NearTable {
  readonly #segments: readonly Segment[];
  readonly #clock: CoarseClock;
  readonly #buffer: HitBuffer;
  readonly #maxBytes: number;
  readonly #maxRows: number;
  readonly #rowOf = new Map<string, number>();
  /** By row; all rows from the tail to the head, in a circle. */
  readonly #keys: (string | undefined)[] = [];
  readonly #values: (Buffer | undefined)[] = [];
  readonly #promises: (Promise<Buffer> | undefined)[] = [];
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
  /** When it is full, one of so many candidates is admitted. */
  #sampling = 1;
  #candidates = 0;
  #displacements = 0;
  /** Hits that were not hits of this table. */
  #otherHits = 0;
  /** Hits when the trial began, and when the misses were last looked at. */
  #hitsAtTrial = 0;
  #hitsBefore = 0;
  #misses = 0;
  #isResting = false;

  constructor(segments: readonly Segment[], clock: CoarseClock, buffer: HitBuffer, maxBytes: number) {
    this.#clock = clock;
    this.#buffer = buffer;
    this.#segments = segments;
    this.#maxBytes = maxBytes;
    this.#maxRows = Math.floor(maxBytes / ENTRY_BYTES);
  }

  /**
   * The value, if it is near and still the key's; all who read the key share it.
   *
   * As long as nothing in the segment has changed, one load shows that, from a line that all entries of the
   * segment have in common. A writer raises the number before it changes a slot, and again before it returns:
   * so whoever has seen the effect of a write, or was told of it, does not find the number of before. A plain
   * load does for that: what happened before it is seen (and Atomics.load is a call, a fifth of a hit).
   */
  get(key: string): Buffer | undefined {
    const row = this.#find(key);
    return row === NOWHERE ? undefined : this.#values[row];
  }

  /**
   * The same, as one promise that all share. To make it for each read was a third of an awaited one:
   * `Promise.resolve` looks for a `then` all the way up from Buffer, and each leaves garbage.
   */
  promised(key: string): Promise<Buffer> | undefined {
    const row = this.#find(key);
    if (row === NOWHERE) return undefined;
    const made = this.#promises[row];
    if (made !== undefined) return made;
    const promise = Promise.resolve(this.#values[row] as Buffer);
    this.#promises[row] = promise;
    return promise;
  }

  /** One method, because the compiler does not inline more than a few into their caller. */
  #find(key: string): number {
    if (this.#isResting) return this.#miss();
    const row = this.#rowOf.get(key);
    if (row === undefined) return this.#miss();
    const rows = this.#rows;
    const at = row * ROW_WORDS;
    const word = rows[at + SEGMENT_NUMBER] as number;
    const segment = this.#segments[word & (USED - 1)] as Segment;
    const isCurrent = segment.words[SEGMENT.changes] === rows[at + CHANGES] || this.#isProven(row, segment);
    if (!isCurrent || (!this.#clock.isSafe(rows[at + MINUTE] as number) && this.#isOver(row))) {
      // The room comes back when the tail reaches it.
      this.#rowOf.delete(key);
      this.#keys[row] = undefined;
      return NOWHERE;
    }
    if (word < USED) rows[at + SEGMENT_NUMBER] = word | USED;
    this.#buffer.hit();
    return row;
  }

  #isOver(row: number): boolean {
    return this.#clock.isOver(this.#times[(row * PROOF_WORDS + EXPIRES) >> 1] as number);
  }

  /** To be told of a hit in the index. */
  hitElsewhere(): void {
    this.#otherHits += 1;
  }

  #hits(): number {
    return this.#buffer.hits - this.#otherHits;
  }

  /** A table that is still being filled is given its time. */
  #miss(): typeof NOWHERE {
    this.#misses += 1;
    if (this.#misses < (this.#isResting ? REST : MISSES)) return NOWHERE;
    const isFull = this.#bytes > this.#maxBytes >> 1;
    this.#isResting = !this.#isResting && isFull && this.#hits() - this.#hitsBefore < MISSES / 8;
    this.#misses = 0;
    this.#hitsBefore = this.#hits();
    return NOWHERE;
  }

  /**
   * The same place means the same record as long as its ring has not gone round often enough for places to
   * come back, and the segment was not emptied. After many laps the seal tells records apart, as in
   * read-path.ts; and always in a segment whose lock was taken away once, for its owner may still have moved the
   * head of the ring back. The place is loaded before the laps: whoever published a later record under it had counted
   * its laps before.
   */
  #isProven(row: number, segment: Segment): boolean {
    const { words, changesNow } = segment;
    const proofs = this.#proofs;
    const at = row * PROOF_WORDS;
    if (Atomics.load(words, proofs[at + PLACE_WORD] as number) !== proofs[at + PLACE]) return false;
    if (segment.epochNow !== proofs[at + EPOCH]) return false;
    const laps = segment.lapsNow;
    if (segment.wasTakenOver || (laps - (proofs[at + LAPS] as number)) >>> 0 >= LAPS_TRUSTED) {
      if (words[proofs[at + SEAL_WORD] as number] !== proofs[at + SEAL]) return false;
      proofs[at + LAPS] = laps;
    }
    // A frequency that was lowered since goes up again.
    segment.touch(proofs[at + PLACE_WORD] as number);
    // The number was loaded before the place: who changes the slot after that has raised it by then.
    if ((changesNow & 1) === 0) this.#rows[row * ROW_WORDS + CHANGES] = changesNow;
    return true;
  }

  /** Takes in a copy of the value, which is at `from` in `words`, unless the table is better off without. */
  admit(key: string, record: NearRecord, words: Int32Array, from: number, byteLength: number): void {
    const cost = costOf(byteLength);
    if (this.#isResting || cost > this.#maxBytes >> 2) return;
    if (this.#rows.length === 0) this.#allocate();
    if (!this.#hasRoom(cost)) {
      this.#candidates += 1;
      if (this.#candidates < this.#sampling) return;
      this.#candidates = 0;
      this.#displacements += 1;
      if (this.#displacements === TRIAL) this.#judge();
      for (let spared = 0; !this.#hasRoom(cost); ) if (this.#dropTail(spared < MAX_SPARED)) spared += 1;
    }

    const row = this.#append(key, words, from, byteLength);
    const at = row * ROW_WORDS;
    // A number that does not come again: the first use looks at the slot.
    this.#rows[at + CHANGES] = ((this.#segments[record.segmentNumber] as Segment).changesNow & ~1) - 2;
    this.#rows[at + SEGMENT_NUMBER] = record.segmentNumber;
    this.#rows[at + MINUTE] = minuteOf(record.expiresAt);
    const proofs = this.#proofs;
    const proof = row * PROOF_WORDS;
    proofs[proof + PLACE_WORD] = record.placeWord;
    proofs[proof + PLACE] = record.place;
    proofs[proof + LAPS] = record.laps;
    proofs[proof + EPOCH] = record.epoch;
    proofs[proof + SEAL_WORD] = record.sealWord;
    proofs[proof + SEAL] = record.seal;
    this.#times[(proof + EXPIRES) >> 1] = record.expiresAt;
  }

  #hasRoom(cost: number): boolean {
    return this.#bytes + cost <= this.#maxBytes && this.#count < this.#maxRows;
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
    this.#promises[row] = undefined;
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
    this.#promises[row] = undefined;
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

  /** A table that changes faster than it is used admits fewer, down to one in 256. */
  #judge(): void {
    const paid = this.#hits() - this.#hitsAtTrial >= WORTHWHILE_HITS * this.#displacements;
    this.#sampling = paid ? Math.max(1, this.#sampling >> 1) : Math.min(MAX_SAMPLING, this.#sampling << 1);
    this.#displacements = 0;
    this.#hitsAtTrial = this.#hits();
  }

  /** As many rows as there can be: the system gives the pages when they are written. */
  #allocate(): void {
    this.#rows = new Int32Array(this.#maxRows * ROW_WORDS);
    this.#proofs = new Int32Array(this.#maxRows * PROOF_WORDS);
    this.#times = new Float64Array(this.#proofs.buffer);
  }
}

function costOf(byteLength: number): number {
  return ENTRY_BYTES + wordsOf(byteLength) * 4;
}
