import { failpoint } from './failpoint.js';
import { UNIT_BYTES, VALUE_BYTES } from './record.js';

const HEAD = 0;
const HEAD_LAP = 1;
const TAIL = 2;
const TAIL_LAP = 3;
const USED = 4;
const LIVE = 5;

const UNIT_WORDS = UNIT_BYTES / 4;

/**
 * A ring of records in a segment, first in, first out, in units of 8 bytes. Records do not wrap: a filler
 * takes what is left before the end. Its state is in the segment's header; only the owner of the
 * writer lock touches it.
 *
 *   start            tail                 head           end
 *     │ free           │ records, fillers    │ free        │
 *
 * The place of a record is one word: the unit in the segment, and in the bits above it the lap, as far as
 * they go (6 bits for the largest segments, more for smaller ones). The same place comes back only after
 * at least 16 GiB of writes to one segment, so it also serves as the version of an entry.
 */
export class Ring {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  readonly #words: Int32Array;
  readonly #state: number;
  readonly #laps: number;
  readonly #lapShift: number;

  /** @param laps the word that counts the laps of all rings of the segment, for readers */
  constructor(
    segmentWords: Int32Array,
    state: number,
    laps: number,
    start: number,
    end: number,
    lapShift: number,
  ) {
    this.#words = segmentWords;
    this.#state = state;
    this.#laps = laps;
    this.start = start;
    this.end = end;
    this.size = end - start;
    this.#lapShift = lapShift;
  }

  get head(): number {
    return this.#words[this.#state + HEAD] as number;
  }

  get tail(): number {
    return this.#words[this.#state + TAIL] as number;
  }

  /** Laps begun, modulo 2^32. */
  get headLap(): number {
    return this.#words[this.#state + HEAD_LAP] as number;
  }

  /** Units from the tail to the head, dead ones included. */
  get used(): number {
    return this.#words[this.#state + USED] as number;
  }

  /** Units of records that the index points at. */
  get live(): number {
    return this.#words[this.#state + LIVE] as number;
  }

  get free(): number {
    return this.size - this.used;
  }

  addLive(units: number): void {
    this.#words[this.#state + LIVE] = this.live + units;
  }

  /** The place of the record at the tail. */
  get tailPlace(): number {
    return this.tail | ((this.#words[this.#state + TAIL_LAP] as number) << this.#lapShift);
  }

  /** Units appended since the record at `place`, or more; only for comparing records of this ring. */
  age(place: number): number {
    const words = this.#words;
    const head = this.head | ((words[this.#state + HEAD_LAP] as number) << this.#lapShift);
    return (head - place) >>> 0;
  }

  /** Units that a record of `units` takes, with the filler before it if it needs one. */
  span(units: number): number {
    const rest = this.end - this.head;
    return units <= rest ? units : rest + units;
  }

  /** Room for a record; there must be `span(units)` free. Returns its place. */
  append(units: number): number {
    const words = this.#words;
    const state = this.#state;
    const used = this.used + this.span(units);
    let head = this.head;
    // Not looked up again: an owner that lost its lock may have begun another lap, in which this place comes back.
    let lap = this.headLap;
    if (head + units > this.end) {
      if (head < this.end) words[head * UNIT_WORDS + VALUE_BYTES] = head - this.end;
      head = this.start;
      lap = this.#nextLap();
      words[state + HEAD_LAP] = lap;
    }
    words[state + HEAD] = head + units;
    words[state + USED] = used;
    failpoint('appended');
    return head | (lap << this.#lapShift);
  }

  /** Gives back what is at the tail. An empty ring begins again at its start, on a new lap. */
  drop(units: number): void {
    const words = this.#words;
    const state = this.#state;
    const used = this.used - units;
    words[state + USED] = used;
    failpoint('dropped');
    if (used === 0) {
      this.#rewind();
      return;
    }
    const tail = this.tail + units;
    words[state + TAIL] = tail;
    if (tail === this.end) {
      words[state + TAIL] = this.start;
      words[state + TAIL_LAP] = ((words[state + TAIL_LAP] as number) + 1) | 0;
    }
  }

  clear(): void {
    this.#words[this.#state + USED] = 0;
    this.#words[this.#state + LIVE] = 0;
    this.#rewind();
  }

  /** Told to readers before anything of the new lap is published. */
  #nextLap(): number {
    Atomics.add(this.#words, this.#laps, 1);
    return ((this.#words[this.#state + HEAD_LAP] as number) + 1) | 0;
  }

  #rewind(): void {
    const words = this.#words;
    const lap = this.#nextLap();
    words[this.#state + HEAD] = this.start;
    words[this.#state + HEAD_LAP] = lap;
    words[this.#state + TAIL] = this.start;
    words[this.#state + TAIL_LAP] = lap;
  }
}
