import { join } from 'node:path';
import { type LogFiles, listFiles, NODE_FILES } from './log-files.js';
import { type SegmentFault, scanSegment } from './scan-segment.js';
import { FRAMES_AT, readSegmentHeader, type SegmentHeader } from './segment-header.js';
import { sequenceOf } from './segment-name.js';

/** A segment as it was found. */
export interface FoundSegment {
  readonly name: string;
  readonly file: string;
  readonly sequence: number;
  /** Size of the file. */
  readonly bytes: number;
  /** Undefined if it cannot be read. */
  readonly header: SegmentHeader | undefined;
  /** What lies behind this position is void. */
  readonly limit: number;
  readonly frames: number;
  readonly operations: number;
  /** Position of its first operation that counts; undefined if there is none. */
  readonly first: number | undefined;
  /** Position of the last operation that counts, here or before. */
  readonly last: number;
  /** Where its content ends, and `fault` begins. */
  readonly end: number;
  /** `syncedTo` of its last frame: from there to `end` it is not known to be on disk. */
  readonly syncedTo: number;
  readonly fault: SegmentFault | undefined;
}

/** Whose segments they must be. */
export interface SegmentOwner {
  readonly logId: string;
  readonly shard: number;
}

/** Segments of a shard, oldest first, with what is wrong with each. An absent directory has none. */
export function readChain(dir: string, owner: SegmentOwner, files: LogFiles = NODE_FILES): FoundSegment[] {
  const found: FoundSegment[] = [];
  let limit = Number.POSITIVE_INFINITY;
  // From the newest on: each says how far those before it count.
  for (const name of listSegments(dir, files).reverse()) {
    const segment = readSegment(join(dir, name), name, owner, limit, files);
    if (segment === undefined) continue;
    found.push(segment);
    if (segment.header !== undefined) limit = Math.min(limit, segment.header.previous);
  }
  let reached = 0;
  return found.reverse().map((segment, i) => {
    const linked = link(segment, reached, found[i + 1]);
    if (linked.header !== undefined) reached = Math.min(linked.last, linked.limit);
    return linked;
  });
}

/** Judges a segment by those around it: they counted up to `reached` before it, and go on at its `limit`. */
function link(segment: FoundSegment, reached: number, next: FoundSegment | undefined): FoundSegment {
  const { header, limit, last, fault } = segment;
  if (limit === Number.POSITIVE_INFINITY) return segment;
  // All of it was written again in the next one, so it does not matter that it cannot be read.
  if (header === undefined && reached === limit) return { ...segment, fault: undefined };
  if (fault?.state === 'torn') {
    return {
      ...segment,
      fault: { ...fault, state: 'corrupt', reason: `${fault.reason}, but the log goes on` },
    };
  }
  // What is missing may be in one that cannot be read: then that one is at fault.
  if (fault !== undefined || last >= limit || next?.header === undefined) return segment;
  const reason = `operations ${last + 1} to ${limit} are missing before the next segment`;
  return { ...segment, fault: { state: 'corrupt', reason, bytes: 0 } };
}

export function listSegments(dir: string, files: LogFiles): string[] {
  const names = listFiles(dir, files).filter((name) => sequenceOf(name) !== undefined);
  return names.sort((a, b) => (sequenceOf(a) as number) - (sequenceOf(b) as number));
}

/** Undefined if it was deleted since its name was read. */
function readSegment(
  file: string,
  name: string,
  owner: SegmentOwner,
  limit: number,
  files: LogFiles,
): FoundSegment | undefined {
  const sequence = sequenceOf(name) as number;
  const none = {
    name,
    file,
    sequence,
    limit,
    frames: 0,
    operations: 0,
    first: undefined,
    last: 0,
    end: 0,
    syncedTo: 0,
  };
  let bytes: Buffer;
  try {
    bytes = files.readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    const reason = `cannot be read: ${(error as Error).message}`;
    return { ...none, bytes: 0, header: undefined, fault: { state: 'corrupt', reason, bytes: 0 } };
  }
  const header = readSegmentHeader(bytes);
  if (typeof header === 'string') {
    const state = bytes.length < FRAMES_AT ? 'torn' : 'corrupt';
    return {
      ...none,
      bytes: bytes.length,
      header: undefined,
      fault: { state, reason: header, bytes: bytes.length },
    };
  }
  const stranger = whyStranger(header, sequence, owner);
  if (stranger !== undefined) {
    const fault = { state: 'corrupt', reason: stranger, bytes: bytes.length } as const;
    return { ...none, bytes: bytes.length, header, fault };
  }
  const scan = scanSegment(bytes, header, limit);
  const first = scan.frames[0];
  return {
    ...none,
    bytes: bytes.length,
    header,
    frames: scan.frames.length,
    operations: scan.frames.reduce((sum, { count }) => sum + count, 0),
    first: first === undefined ? undefined : first.position - first.count + 1,
    last: scan.last,
    end: scan.end,
    syncedTo: scan.frames.at(-1)?.syncedTo ?? scan.end,
    fault: scan.fault,
  };
}

function whyStranger(header: SegmentHeader, sequence: number, owner: SegmentOwner): string | undefined {
  if (header.logId !== owner.logId) return `it belongs to log ${header.logId}, not ${owner.logId}`;
  if (header.shard !== owner.shard) return `it belongs to shard ${header.shard}, not ${owner.shard}`;
  if (header.sequence !== sequence) return `it is segment ${header.sequence}, as its header says`;
  return undefined;
}
