/** A sequence of accesses. Keys are numbered from 0 in the order in which they come up. */
export interface Load {
  readonly name: string;
  readonly accesses: Uint32Array;
  readonly keys: number;
}

/** Numbers the keys; at most `limit` accesses are taken. */
export function loadOf(name: string, raw: Iterable<number>, limit: number): Load {
  const numbers = new Map<number, number>();
  const accesses = new Uint32Array(limit);
  let count = 0;
  for (const key of raw) {
    if (count === limit) break;
    let number = numbers.get(key);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(key, number);
    }
    accesses[count] = number;
    count += 1;
  }
  return { name, accesses: accesses.subarray(0, count), keys: numbers.size };
}
