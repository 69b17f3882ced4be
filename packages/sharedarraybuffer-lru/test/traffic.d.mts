/** Below a bound, from 0; the same numbers for the same seed. */
export function randomFrom(seed: number): (below: number) => number;
export function describe(key: number, writer: number, sequence: number, length: number): Buffer;
export function read(key: number, value: Buffer): { writer: number; sequence: number };
