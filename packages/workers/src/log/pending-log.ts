import { RecordDecoder } from '../codec/record-decoder.js';
import { ShapeInterner } from '../codec/shape-interner.js';
import type { Operation } from '../operation.js';
import type { Frame } from './frame.js';
import { FRAME_HEADER_BYTES } from './frame.js';
import { shardDir } from './layout.js';
import { NODE_FILES } from './log-files.js';
import { scanSegment } from './scan-segment.js';
import { type FoundSegment, readChain } from './segment-chain.js';

export interface PendingLogOptions {
  readonly walDir: string;
  readonly logId: string;
  readonly shard: number;
  /** Everything up to this position is applied. */
  readonly after: number;
  /** Hand in the same one for all shards to get the same object for the same shape. @default one of its own */
  readonly interner?: ShapeInterner | undefined;
  /** Called for each operation behind `after`, in their order. */
  readonly onOperation?: ((operation: Operation, position: number) => void) | undefined;
}

/** What the log of a shard holds behind a position. */
export interface PendingLog {
  /** Position of the last operation that can be read before any damage; 0: there is none. */
  readonly end: number;
  /** How many operations can be read behind `after`. */
  readonly operations: number;
  /** Operations behind `after` that the log does not hold any more. */
  readonly gaps: readonly { readonly from: number; readonly to: number; readonly file: string }[];
  readonly damages: readonly { readonly file: string; readonly offset: number; readonly reason: string }[];
  /** Whether there is a segment, whatever it holds. */
  readonly hasSegments: boolean;
}

/**
 * Reads the log of one shard and changes nothing, whoever else has it open. A process that writes or
 * deletes segments meanwhile can look like damage or a gap: what is really there is there again the next
 * time. Like a recovery it stops at a damaged place; unlike one it goes on behind a gap.
 *
 * @throws LogError or a system error when a file cannot be read, RangeError for a record of unknown form
 */
export function readPendingLog(options: PendingLogOptions): PendingLog {
  const { walDir, logId, shard, after, interner = new ShapeInterner() } = options;
  const found = readChain(shardDir(walDir, shard), { logId, shard });
  const gaps: PendingLog['gaps'][number][] = [];
  let end = 0;
  let operations = 0;
  let reached = after;
  const reach = (previous: number, { file }: FoundSegment) => {
    if (previous > reached) gaps.push({ from: reached + 1, to: previous, file });
    reached = Math.max(reached, previous);
  };
  for (const segment of found) {
    const { header, file, limit, last, fault } = segment;
    if (header !== undefined) end = Math.max(end, Math.min(last, limit));
    if (header !== undefined && last > after) {
      reach(header.previous, segment);
      const bytes = NODE_FILES.readFileSync(file);
      const decoders = new Map<number, RecordDecoder>(); // each segment defines its own shapes
      for (const frame of scanSegment(bytes, header, limit).frames) {
        if (frame.position > after) reach(frame.previous, segment);
        else if (frame.definitions === 0) continue;
        let position = frame.position - frame.count;
        for (const operation of decodeFrame(bytes, frame, decoders, interner)) {
          position += 1;
          if (position <= after) continue;
          operations += 1;
          options.onOperation?.(operation, position);
        }
        reached = Math.max(reached, frame.position);
        end = Math.max(end, frame.position);
      }
    }
    if (fault?.state === 'corrupt') break;
  }
  const damages = found.flatMap(({ file, end: offset, fault }) =>
    fault?.state === 'corrupt' ? [{ file, offset, reason: fault.reason }] : [],
  );
  return { end, operations, gaps, damages, hasSegments: found.length > 0 };
}

function* decodeFrame(
  bytes: Buffer,
  frame: Frame,
  decoders: Map<number, RecordDecoder>,
  interner: ShapeInterner,
): Generator<Operation> {
  let decoder = decoders.get(frame.producer);
  if (decoder === undefined) {
    decoder = new RecordDecoder(frame.producer, interner);
    decoders.set(frame.producer, decoder);
  }
  const start = frame.at + FRAME_HEADER_BYTES;
  const end = start + frame.payloadBytes;
  for (let at = start; at < end; ) {
    const length = bytes.readInt32LE(at);
    const decoded = decoder.decode(bytes, at, at + length);
    at += (length + 3) & ~3;
    // Reads and flushes are never logged; what is undefined is a definition.
    if (decoded !== undefined) yield decoded as Operation;
  }
}
