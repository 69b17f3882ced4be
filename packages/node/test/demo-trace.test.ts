import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readTrace } from '../dist/demo/trace.js';
import { TraceError } from '../dist/demo/trace-error.js';

const dir = mkdtempSync(join(tmpdir(), 'zmsg-trace-'));
afterAll(() => rmSync(dir, { recursive: true }));

const XZ_TRACE = fileURLToPath(new URL('fixtures/small.trace.xz', import.meta.url));
/** What the fixture was made of. */
const XZ_KEYS = Array.from({ length: 50_000 }, (_, i) => (i % 7 === 0 ? 0xffff_ffff - (i % 5) : i % 251));

let files = 0;
function fileOf(bytes: Uint8Array): string {
  const file = join(dir, `${files++}.trace`);
  writeFileSync(file, bytes);
  return file;
}

function encode(keys: readonly number[]): Buffer {
  const bytes = Buffer.alloc(keys.length * 4);
  for (const [i, key] of keys.entries()) bytes.writeUInt32BE(key, i * 4);
  return bytes;
}

async function keysOf(file: string): Promise<number[]> {
  const keys: number[] = [];
  for await (const block of readTrace(file)) keys.push(...block);
  return keys;
}

test('any sequence of keys comes back from an uncompressed file', async () => {
  const keys = fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 1, maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(keys, async (expected) => {
      expect(await keysOf(fileOf(encode(expected)))).toEqual(expected);
    }),
  );
});

test('the keys of an xz file come back, in blocks', async () => {
  const blocks: Uint32Array[] = [];
  for await (const block of readTrace(XZ_TRACE)) blocks.push(block);
  expect(blocks.flatMap((block) => [...block])).toEqual(XZ_KEYS);
  expect(blocks.length).toBeGreaterThan(2);
});

test('a large file is read block by block', async () => {
  const file = fileOf(encode(Array.from({ length: 500_000 }, (_, i) => i)));
  let next = 0;
  for await (const block of readTrace(file)) {
    expect(block.length).toBeLessThanOrEqual(65_536);
    expect(block[0]).toBe(next);
    next += block.length;
  }
  expect(next).toBe(500_000);
});

test('reading can end early and begin again', async () => {
  for (let i = 0; i < 3; i += 1) {
    for await (const block of readTrace(XZ_TRACE)) {
      expect(block[1]).toBe(XZ_KEYS[1]);
      break;
    }
  }
  expect(await keysOf(XZ_TRACE)).toEqual(XZ_KEYS);
});

test('several xz files can be read at the same time', async () => {
  const all = await Promise.all([keysOf(XZ_TRACE), keysOf(XZ_TRACE)]);
  expect(all).toEqual([XZ_KEYS, XZ_KEYS]);
});

const xz = readFileSync(XZ_TRACE);
const damaged = Buffer.from(xz);
damaged.fill(0x5a, 100, 140);

test.each([
  ['a file that is not there', join(dir, 'missing'), /missing: no such file/],
  ['a directory', dir, /cannot be read \(EISDIR\)/],
  ['an empty file', fileOf(Buffer.alloc(0)), /it is empty/],
  ['a file that ends inside an integer', fileOf(Buffer.alloc(7)), /ends inside a 32-bit integer \(3 bytes/],
  [
    'an xz file that is cut off',
    fileOf(xz.subarray(0, xz.length - 60)),
    /ends too early: the file is cut off/,
  ],
  ['the head of an xz file alone', fileOf(xz.subarray(0, 6)), /ends too early: the file is cut off/],
  ['an xz file with wrong bytes', fileOf(damaged), /the xz data is damaged/],
])('%s gives a TraceError that says so', async (_name, file, message) => {
  const failure = keysOf(file);
  await expect(failure).rejects.toThrow(TraceError);
  await expect(failure).rejects.toThrow(message);
});
