import type { LogAppend } from '../dist/log/frame-buffer.js';
import { ShardLog, type ShardLogOptions } from '../dist/log/shard-log.js';
import type { LogDisk } from './log-disk.js';

export const LOG_ID = '11111111-2222-3333-4444-555555555555';
export const DIR = '/data/wal/003';

export function openLog(disk: LogDisk, options: Partial<ShardLogOptions> = {}): ShardLog {
  return ShardLog.open({
    dir: DIR,
    logId: LOG_ID,
    shard: 3,
    run: 1,
    segmentBytes: 16 * 1024,
    files: disk.files,
    ...options,
  });
}

const DEFINITION = 1;
const OPERATION = 2;

/** `i32 length | type | shape | content`, of which every second KiB is zeros. */
function record(type: number, shape: number, length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeInt32LE(length, 0);
  bytes[4] = type;
  bytes[5] = shape;
  for (let i = 6; i < length; i++) bytes[i] = (i >> 10) % 2 === 1 ? 0 : (seed * 31 + i * 7) & 0xff;
  return bytes;
}

export function definitionOf(shape: number, length = 19): Uint8Array {
  return record(DEFINITION, shape, length, shape);
}

export interface TestOperation {
  producer: number;
  position: number;
  length?: number;
  definition?: Uint8Array | undefined;
}

/** What the log is to give back of an operation. */
export function textOf({ producer, position, length = 40, definition }: TestOperation): string {
  return `${position} of ${producer}: ${record(OPERATION, definition?.[5] ?? 0, length, position).toString('hex')}`;
}

export function toAppend(operation: TestOperation): LogAppend {
  const { producer, position, length = 40, definition } = operation;
  const bytes = Buffer.from(new SharedArrayBuffer(length + 12));
  const start = position % 2 === 0 ? 4 : 3;
  record(OPERATION, definition?.[5] ?? 0, length, position).copy(bytes, start);
  const ringAt = (position * 7) >>> 0;
  return { producer, position, ringAt, taken: position >>> 0, bytes, start, end: start + length, definition };
}

export function append(log: ShardLog, operations: readonly TestOperation[]): void {
  for (const operation of operations) log.append(toAppend(operation));
}

/** Operations `from` to `to` of one producer. */
export function range(from: number, to: number, rest: Partial<TestOperation> = {}): TestOperation[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ producer: 1, ...rest, position: from + i }));
}

/**
 * The operations behind `after`, as `textOf` gives them. Fails if one's definition is not in its segment
 * before it, or a frame's numbers are not those of its last operation.
 */
export function read(log: ShardLog, after = 0): string[] {
  const texts: string[] = [];
  const defined = new Map<string, Set<number>>();
  for (const { segment, producer, first, position, count, ringAt, taken, payload } of log.frames(after)) {
    if (taken !== position >>> 0 || ringAt !== (position * 7) >>> 0)
      throw new Error(`frame ${position} is not at its end`);
    const key = `${segment} ${producer}`;
    const shapes = defined.get(key) ?? new Set();
    defined.set(key, shapes);
    let next = first;
    for (let at = 0; at < payload.length; ) {
      const length = payload.readInt32LE(at);
      const shape = payload[at + 5] as number;
      if (payload[at + 4] === DEFINITION) {
        shapes.add(shape);
      } else {
        if (shape !== 0 && !shapes.has(shape)) throw new Error(`shape ${shape} of ${next} is not defined`);
        if (next > after) texts.push(`${next} of ${producer}: ${payload.toString('hex', at, at + length)}`);
        next += 1;
      }
      at += (length + 3) & ~3;
    }
    if (next !== first + count || next !== position + 1)
      throw new Error(`frame ${first} has ${next - first} operations`);
  }
  return texts;
}
