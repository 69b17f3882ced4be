interface BufferClass {
  new (memory: ArrayBuffer, at: number, byteLength: number): Buffer;
}

/**
 * The class of which all Buffers are. `Buffer.from(memory, at, length)` ends there too, after checks that
 * take as long as a hit.
 */
const { [Symbol.species]: Species } = Buffer as unknown as { [Symbol.species]: BufferClass };

/** A view of `byteLength` bytes of `memory`, which must hold them. */
export function bufferSlice(memory: ArrayBuffer, at: number, byteLength: number): Buffer {
  return new Species(memory, at, byteLength);
}
