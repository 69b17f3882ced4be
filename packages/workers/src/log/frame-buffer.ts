import type { Definitions } from './definitions.js';
import {
  FRAME_HEADER_BYTES,
  type Frame,
  frameLength,
  readFrameFields,
  sealFrame,
  writeFrame,
} from './frame.js';
import { FRAMES_AT } from './segment-header.js';

/** One operation for the log. */
export interface LogAppend {
  /** Who submitted it; u32. */
  readonly producer: number;
  /** Higher than that of every operation before. */
  readonly position: number;
  /** Where the producer's ring stands behind it: two u32 that the log only keeps. */
  readonly ringAt: number;
  readonly taken: number;
  /** Its record is `bytes[start…end)`; only read during the call. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Record that its own cannot be read without. It must not change afterwards. */
  readonly definition?: Uint8Array | undefined;
}

const INITIAL_BYTES = 64 * 1024;
/** Longer records are copied by the system. */
const SHORT_BYTES = 512;

/**
 * Frames in memory, one behind the other as in the file: first the *owed* ones, which were written but
 * are not known to be on disk, then the *collected* ones, which were not written. One buffer that grows,
 * so that a record is copied once and a commit is one write.
 */
export class FrameBuffer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #words = new Int32Array(this.#bytes.buffer);
  /** The memory that the last record came from. */
  #sourceWords: Int32Array = new Int32Array(0);
  /** End of the owed frames. */
  #owed = 0;
  /** End of all of it. While a frame is open: of its last record. */
  #end = 0;

  // The open frame, which further operations may join.
  #openAt = -1;
  #producer = 0;
  #count = 0;
  #ringAt = 0;
  #taken = 0;
  #definitions = 0;
  #previous = 0;
  /** Position of the last operation. */
  #last: number;

  constructor(last: number) {
    this.#last = last;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  get owedBytes(): number {
    return this.#owed;
  }

  /** Without the trailer of the open frame. */
  get collectedBytes(): number {
    return this.#end - this.#owed;
  }

  get last(): number {
    return this.#last;
  }

  append(operation: LogAppend, definitions: Definitions): void {
    const { producer, position, definition, bytes, start, end } = operation;
    if (position <= this.#last) {
      throw new RangeError(`position ${position} is not behind ${this.#last}, the last one of the log`);
    }
    if (this.#openAt === -1 || producer !== this.#producer || position !== this.#last + 1) {
      this.finish();
      this.#open(producer);
    }
    if (definition !== undefined && definitions.use(producer, definition, position)) {
      this.#put(definition, 0, definition.length);
      this.#definitions += 1;
    }
    this.#put(bytes, start, end);
    this.#count += 1;
    this.#ringAt = operation.ringAt;
    this.#taken = operation.taken;
    this.#last = position;
  }

  /** Completes the open frame, if there is one. */
  finish(): void {
    const at = this.#openAt;
    if (at === -1) return;
    const payloadBytes = this.#end - at - FRAME_HEADER_BYTES;
    const length = frameLength(payloadBytes);
    this.#reserve(at + length - this.#end);
    writeFrame(this.#bytes, at, {
      payloadBytes,
      count: this.#count,
      position: this.#last,
      previous: this.#previous,
      producer: this.#producer,
      ringAt: this.#ringAt,
      taken: this.#taken,
      definitions: this.#definitions,
    });
    this.#end = at + length;
    this.#openAt = -1;
  }

  /** Makes the collected frames ready to lie at `offset` of a segment. */
  seal(offset: number, salt: number, syncedTo: number): void {
    this.finish();
    for (let at = this.#owed; at < this.#end; ) {
      at += sealFrame(this.#bytes, at, offset + at - this.#owed, salt, syncedTo);
    }
  }

  /** The collected frames are written. */
  markWritten(): void {
    this.#owed = this.#end;
  }

  /** The owed frames need not be kept any longer. */
  settle(): void {
    if (this.#owed === 0) return;
    this.#bytes.copyWithin(0, this.#owed, this.#end);
    if (this.#openAt !== -1) this.#openAt -= this.#owed;
    this.#end -= this.#owed;
    this.#owed = 0;
  }

  /** Forgets the collected frames; `last` is the position of the last operation before them. */
  dropCollected(last: number): void {
    this.#end = this.#owed;
    this.#openAt = -1;
    this.#last = last;
  }

  /**
   * All frames once more, owed and collected, sealed for the begin of a segment behind position `base`:
   * the first of each producer carries the definitions that only the segment before has. The segment is
   * not seen before all of it is on disk, and the frames say so. Room for the header is left.
   */
  image(definitions: Definitions, base: number, salt: number): Buffer {
    this.finish();
    const added = new Map<number, Buffer[]>();
    let bytes = FRAMES_AT;
    for (const frame of this.#frames()) {
      const missing = added.has(frame.producer)
        ? []
        : [...definitions.neededFrom(base, frame.producer)].map(pad);
      if (!added.has(frame.producer)) added.set(frame.producer, missing);
      bytes += frameLength(frame.payloadBytes + lengthOf(missing));
    }
    const image = Buffer.alloc(bytes);
    let to = FRAMES_AT;
    for (const frame of this.#frames()) {
      const missing = added.get(frame.producer) ?? [];
      added.delete(frame.producer);
      let at = to + FRAME_HEADER_BYTES;
      for (const definition of missing) at += definition.copy(image, at);
      const start = frame.at + FRAME_HEADER_BYTES;
      this.#bytes.copy(image, at, start, start + frame.payloadBytes);
      writeFrame(image, to, {
        ...frame,
        payloadBytes: frame.payloadBytes + lengthOf(missing),
        definitions: frame.definitions + missing.length,
      });
      to += sealFrame(image, to, to, salt, bytes);
    }
    return image;
  }

  *#frames(): Generator<Frame> {
    for (let at = 0; at < this.#end; ) {
      const frame = readFrameFields(this.#bytes, at);
      yield frame;
      at += frame.length;
    }
  }

  #open(producer: number): void {
    this.#openAt = this.#end;
    this.#producer = producer;
    this.#count = 0;
    this.#definitions = 0;
    this.#previous = this.#last;
    this.#reserve(FRAME_HEADER_BYTES);
    this.#end += FRAME_HEADER_BYTES;
  }

  /** Appends a record, padded. */
  #put(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const padded = (length + 3) & ~3;
    this.#reserve(padded);
    // The last word first: its padding is zero, the rest is overwritten.
    this.#words[(this.#end + padded - 4) >> 2] = 0;
    if (length > SHORT_BYTES || ((bytes.byteOffset + start) & 3) !== 0) {
      this.#bytes.set(bytes.subarray(start, end), this.#end);
    } else {
      this.#copyWords(bytes, start, length);
    }
    this.#end += padded;
  }

  /** For a short record this takes a third of what `set` and its view of the source take. */
  #copyWords(bytes: Uint8Array, start: number, length: number): void {
    if (bytes.buffer !== this.#sourceWords.buffer) {
      this.#sourceWords = new Int32Array(bytes.buffer, 0, bytes.buffer.byteLength >> 2);
    }
    const from = this.#sourceWords;
    const to = this.#words;
    const whole = length >> 2;
    let source = (bytes.byteOffset + start) >> 2;
    let target = this.#end >> 2;
    for (const end = source + whole; source < end; source++, target++) to[target] = from[source] as number;
    for (let i = whole << 2; i < length; i++) this.#bytes[this.#end + i] = bytes[start + i] as number;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
    this.#words = new Int32Array(grown.buffer);
  }
}

function pad(definition: Uint8Array): Buffer {
  const padded = Buffer.alloc((definition.length + 3) & ~3);
  padded.set(definition);
  return padded;
}

function lengthOf(definitions: readonly Buffer[]): number {
  return definitions.reduce((sum, { length }) => sum + length, 0);
}
