import { randomFillSync } from 'node:crypto';
import { TOKEN_BYTES } from './tier-value.js';

const POOL_BYTES = 512 * TOKEN_BYTES;

const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Random bytes that name one load or one write; no two are equal. From a pool, since a call into the generator
 * takes 5 µs on a busy machine, at every load of a key, and a copy out of the pool 0.3.
 */
export function tierToken(): Buffer {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const token = Buffer.from(pool.subarray(used, used + TOKEN_BYTES));
  used += TOKEN_BYTES;
  return token;
}
