import { kindOf } from './key-probe.js';
import { HEADER, HEADER_BYTES, type Layout, layoutOf, MAGIC, planLayout, VERSION } from './layout.js';
import type { ResolvedOptions } from './options.js';
import { Segment } from './segment.js';

/** The SharedArrayBuffer of a cache with this thread's views of its parts. */
export class CacheMemory {
  readonly buffer: SharedArrayBuffer;
  readonly layout: Layout;
  readonly header: Int32Array;
  readonly segments: readonly Segment[];

  private constructor(buffer: SharedArrayBuffer, layout: Layout) {
    this.buffer = buffer;
    this.layout = layout;
    this.header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    const segments: Segment[] = [];
    for (let i = 0; i < layout.segments; i += 1) {
      segments.push(new Segment(buffer, layout.segmentsAt + i * layout.segmentBytes, layout));
    }
    this.segments = segments;
  }

  get seed1(): number {
    return this.header[HEADER.seed1] as number;
  }

  get seed2(): number {
    return this.header[HEADER.seed2] as number;
  }

  static create(options: ResolvedOptions): CacheMemory {
    const layout = planLayout(options);
    const memory = new CacheMemory(new SharedArrayBuffer(layout.totalBytes), layout);
    const { header } = memory;
    header[HEADER.version] = VERSION;
    header[HEADER.segments] = layout.segments;
    header[HEADER.segmentUnits] = layout.segmentUnits;
    header[HEADER.buckets] = layout.buckets;
    header[HEADER.cells] = layout.cells;
    header[HEADER.ghostBuckets] = layout.ghostBuckets;
    header[HEADER.maxValueBytes] = layout.maxValueBytes;
    new Float64Array(memory.buffer)[HEADER.maxBytes / 2] = layout.maxBytes;
    crypto.getRandomValues(header.subarray(HEADER.seed1, HEADER.seed2 + 1));
    for (const segment of memory.segments) segment.reset();
    Atomics.store(header, HEADER.magic, MAGIC);
    return memory;
  }

  /** @throws TypeError if the buffer does not hold a cache of this version. */
  static attach(buffer: unknown): CacheMemory {
    if (!(buffer instanceof SharedArrayBuffer)) {
      throw new TypeError(`the handle's buffer must be a SharedArrayBuffer, not ${kindOf(buffer)}`);
    }
    if (buffer.byteLength < HEADER_BYTES) throw new TypeError('the handle is not of a SharedLRU: too short');
    const header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    const word = (at: number): number => header[at] as number;
    if (Atomics.load(header, HEADER.magic) !== MAGIC) {
      throw new TypeError('the handle is not of a SharedLRU: wrong magic number');
    }
    if (word(HEADER.version) !== VERSION) {
      throw new TypeError(
        `the handle is of layout version ${word(HEADER.version)}, this is version ${VERSION}`,
      );
    }
    const layout = layoutOf({
      segments: word(HEADER.segments),
      segmentUnits: word(HEADER.segmentUnits),
      buckets: word(HEADER.buckets),
      cells: word(HEADER.cells),
      ghostBuckets: word(HEADER.ghostBuckets),
      maxValueBytes: word(HEADER.maxValueBytes),
      maxBytes: new Float64Array(buffer, HEADER.maxBytes * 4, 1)[0] as number,
    });
    if (layout.totalBytes !== buffer.byteLength) {
      throw new TypeError(
        `the handle is not of a SharedLRU: ${buffer.byteLength} bytes instead of ${layout.totalBytes}`,
      );
    }
    return new CacheMemory(buffer, layout);
  }
}
