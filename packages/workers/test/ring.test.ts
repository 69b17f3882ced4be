import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRing } from '../dist/ring/ring-layout.js';
import { RingReader } from '../dist/ring/ring-reader.js';
import { RingWriter } from '../dist/ring/ring-writer.js';

/** A record of `length` bytes whose payload is counted up from `seed`. */
function record(length: number, seed: number): Int32Array {
  const words = new Int32Array((length + 3) >> 2);
  const bytes = Buffer.from(words.buffer);
  for (let i = 4; i < length; i++) bytes[i] = (seed + i) & 0xff;
  words[0] = length;
  return words;
}

const lengths = fc.array(fc.integer({ min: 4, max: 256 }), { minLength: 1, maxLength: 200 });

test('records come out of the ring as they went in, over any number of wraps', () => {
  fc.assert(
    fc.property(lengths, fc.infiniteStream(fc.boolean()), (sizes, choices) => {
      const memory = createRing(1024);
      const writer = new RingWriter(memory);
      const reader = new RingReader(memory, new Int32Array(4));
      const expected: string[] = [];
      const got: string[] = [];
      const read = (bytes: Buffer, start: number, end: number) => got.push(bytes.toString('hex', start, end));
      sizes.forEach((size, seed) => {
        const words = record(size, seed);
        while (!writer.tryWrite(words)) {
          expect(reader.read(Number.POSITIVE_INFINITY, read)).toBeGreaterThan(0);
          reader.acknowledge(0, 0);
        }
        expected.push(Buffer.from(words.buffer, 0, size).toString('hex'));
        if (choices.next().value) {
          reader.read(100, read);
          reader.acknowledge(0, 0);
        }
      });
      reader.read(Number.POSITIVE_INFINITY, read);
      expect(got).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test('space is not used again before it was released', () => {
  const memory = createRing(1024);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory, new Int32Array(4));
  let written = 0;
  while (writer.tryWrite(record(100, written))) written += 1;
  expect(written).toBe(10);
  expect(reader.read(Number.POSITIVE_INFINITY, () => {})).toBe(1000);
  expect(writer.tryWrite(record(100, 0))).toBe(false);
  reader.acknowledge(0, 0);
  expect(writer.tryWrite(record(100, 0))).toBe(true);
});

test('a ring of a size that is no power of two is refused', () => {
  expect(() => createRing(1000)).toThrow(RangeError);
  expect(() => createRing(512)).toThrow(RangeError);
});

test('another thread reads every record in order while the ring wraps thousands of times', async () => {
  const memory = createRing(1024);
  const ringReader = new URL('../dist/ring/ring-reader.js', import.meta.url).href;
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData.ringReader).then(({ RingReader }) => {
      const reader = new RingReader(workerData.memory, new Int32Array(4));
      let sum = 0, count = 0, wrong = 0;
      const read = (bytes, start, end) => {
        const seed = bytes.readUInt32LE(start + 4);
        if (seed !== count) wrong += 1;
        for (let i = start + 8; i < end; i++) if (bytes[i] !== ((seed + i - start) & 0xff)) wrong += 1;
        count += 1; sum += end - start;
      };
      while (count < workerData.records) { reader.read(512, read); reader.acknowledge(0, 0); }
      parentPort.postMessage({ sum, count, wrong });
    });`;
  const records = 100_000;
  const worker = new Worker(source, { eval: true, workerData: { memory, ringReader, records } });
  const result = once(worker, 'message');
  const writer = new RingWriter(memory);
  let sum = 0;
  for (let i = 0; i < records; i++) {
    const words = record(8 + ((i * 7) % 200), i);
    words[1] = i;
    sum += words[0] as number;
    // The reader runs on its own: giving it the processor is all there is to do.
    while (!writer.tryWrite(words)) await new Promise((resolve) => setImmediate(resolve));
  }
  expect((await result)[0]).toEqual({ sum, count: records, wrong: 0 });
});
