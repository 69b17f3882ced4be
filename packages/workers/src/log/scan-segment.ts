import { type Frame, hasWholePayload, isZero, readFrameHeader, SLOT, whyUnfinished } from './frame.js';
import { FRAMES_AT, type SegmentHeader } from './segment-header.js';

/** What a segment holds. */
export interface SegmentScan {
  /** The frames that count, in order. */
  readonly frames: readonly Frame[];
  /** Position of the last operation that counts, here or before. */
  readonly last: number;
  /** Offset behind the last frame that counts. */
  readonly end: number;
  readonly fault: SegmentFault | undefined;
}

/** What stands at `SegmentScan.end` and is not a frame. */
export interface SegmentFault {
  /** `torn`: was never written completely, and never reported as synced. `corrupt`: was damaged. */
  readonly state: 'torn' | 'corrupt';
  readonly reason: string;
  /** From there to the last byte that is not zero. */
  readonly bytes: number;
}

/**
 * Reads a segment up to position `limit`: that of the next segment's `previous`, or Infinity for the
 * last one. What lies behind is void and not looked at.
 */
export function scanSegment(bytes: Buffer, header: SegmentHeader, limit: number): SegmentScan {
  const frames: Frame[] = [];
  let last = header.previous;
  let end = FRAMES_AT;
  while (last < limit) {
    const frame = readFrameHeader(bytes, end, header.salt);
    if (frame === undefined || !hasWholePayload(bytes, frame, header.salt)) {
      return { frames, last, end, fault: judge(bytes, end, header.salt, frame) };
    }
    const broken = brokenLink(frame, frames.length === 0, last, limit);
    if (broken !== undefined) {
      return {
        frames,
        last,
        end,
        fault: { state: 'corrupt', reason: broken, bytes: contentFrom(bytes, end) },
      };
    }
    frames.push(frame);
    last = frame.position;
    end += frame.length;
  }
  return { frames, last, end, fault: undefined };
}

function brokenLink(frame: Frame, isFirst: boolean, last: number, limit: number): string | undefined {
  const { position, previous, count } = frame;
  // The first may leave out what was applied before it had to be written again.
  if (isFirst ? previous < last : previous !== last)
    return `a frame follows position ${previous}, not ${last}`;
  if (count === 0 || position - count < previous) return `a frame of ${count} operations ends at ${position}`;
  return position > limit
    ? `a frame reaches over position ${limit}, where the next segment begins`
    : undefined;
}

/** What is at offset `at`, where no whole frame is? Undefined: nothing, the segment ends there. */
function judge(bytes: Buffer, at: number, salt: number, frame: Frame | undefined): SegmentFault | undefined {
  const content = contentFrom(bytes, at);
  if (at === FRAMES_AT && bytes.length > FRAMES_AT) {
    const reason = 'the first frame is not readable, though it was on disk before the segment got its name';
    return { state: 'corrupt', reason, bytes: content };
  }
  if (content === 0) return undefined;
  const proof = frame !== undefined && frame.syncedTo > at ? at : findProof(bytes, at, salt);
  if (proof !== undefined) {
    return {
      state: 'corrupt',
      reason: `no readable frame, but the one at ${proof} says that everything here was on disk`,
      bytes: content,
    };
  }
  const torn = whyTorn(bytes, at, content, frame);
  if (torn !== undefined) return { state: 'torn', reason: torn, bytes: content };
  const reason =
    frame === undefined ? 'the header of a frame is damaged' : 'the content of a frame is damaged';
  return { state: 'corrupt', reason, bytes: content };
}

function whyTorn(bytes: Buffer, at: number, content: number, frame: Frame | undefined): string | undefined {
  if (frame !== undefined) return whyUnfinished(bytes, frame);
  if (at + SLOT > bytes.length) return 'the file ends inside a frame';
  if (isZero(bytes, at, at + SLOT)) return 'what was written behind the last whole frame had not been synced';
  return content <= SLOT ? 'unreadable bytes behind the last frame' : undefined;
}

/** Offset of a frame behind `at` that was written when everything at `at` was on disk. */
function findProof(bytes: Buffer, at: number, salt: number): number | undefined {
  for (let slot = at + SLOT; slot + SLOT <= bytes.length; slot += SLOT) {
    const later = readFrameHeader(bytes, slot, salt);
    if (later !== undefined && later.syncedTo > at) return slot;
  }
  return undefined;
}

/** Bytes from `at` to the last one that is not zero. */
function contentFrom(bytes: Buffer, at: number): number {
  let end = bytes.length;
  while (end > at && bytes[end - 1] === 0) end -= 1;
  return Math.max(end - at, 0);
}
