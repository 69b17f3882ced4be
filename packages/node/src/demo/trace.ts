import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import xz from 'xz-decompress';
import { TraceError } from './trace-error.js';

const XZ_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const BYTES_PER_ACCESS = 4;

/** What the decoder's error codes mean (enum xz_ret of XZ Embedded). */
const XZ_PROBLEMS = new Map([
  ['4', 'its xz dictionary is too large'],
  ['6', 'it uses an xz filter that is not supported'],
  ['8', 'the xz data ends too early: the file is cut off'],
]);

/**
 * The keys of an access trace, in blocks of some ten thousand: unsigned 32-bit big-endian integers,
 * one per access, in a file as it is or compressed with xz (told apart by its first bytes). Holds one
 * block at a time, whatever the size of the file.
 *
 * @throws TraceError when the file cannot be read, is damaged, is empty, or ends inside an integer
 */
export async function* readTrace(file: string): AsyncGenerator<Uint32Array, void, void> {
  let accesses = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of rawBytes(file)) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const count = Math.floor(bytes.length / BYTES_PER_ACCESS);
    rest = bytes.subarray(count * BYTES_PER_ACCESS);
    if (count === 0) continue;
    const keys = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) keys[i] = bytes.readUInt32BE(i * BYTES_PER_ACCESS);
    accesses += count;
    yield keys;
  }
  if (rest.length > 0) {
    throw new TraceError(file, `it ends inside a 32-bit integer (${rest.length} bytes too many)`);
  }
  if (accesses === 0) throw new TraceError(file, 'it is empty');
}

async function* rawBytes(file: string): AsyncGenerator<Buffer, void, void> {
  const isXz = await startsWithXzMagic(file);
  const source = createReadStream(file);
  try {
    if (!isXz) {
      yield* source as AsyncIterable<Buffer>;
      return;
    }
    // The declared type of the decoder is the DOM's stream; what runs is Node's.
    const compressed = Readable.toWeb(source) as ConstructorParameters<typeof xz.XzReadableStream>[0];
    const decoded = new xz.XzReadableStream(compressed) as unknown as ReadableStream<Uint8Array>;
    for await (const chunk of decoded) yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw new TraceError(file, `cannot be read (${code})`, { cause: error });
    const xzCode = /error code (\d+)/.exec(message)?.[1] ?? '';
    throw new TraceError(file, XZ_PROBLEMS.get(xzCode) ?? 'the xz data is damaged', { cause: error });
  } finally {
    source.destroy();
  }
}

async function startsWithXzMagic(file: string): Promise<boolean> {
  try {
    const handle = await open(file);
    try {
      const start = Buffer.alloc(XZ_MAGIC.length);
      await handle.read(start, 0, start.length, 0);
      return start.equals(XZ_MAGIC);
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`;
    throw new TraceError(file, problem, { cause: error });
  }
}
