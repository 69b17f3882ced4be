// Records what threads do to a few keys, with stamps from a shared counter.
import { onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { describe, napper, randomFrom, read } from './traffic.mjs';

export const KINDS = ['set', 'refused', 'delete', 'clear', 'get', 'has', 'token', 'fill'];
/** Words of a call in the log: kind, key, invoked, returned, value, present. */
export const CALL_WORDS = 6;

const TOO_LARGE = Buffer.alloc(1 << 20);

/** Words of `shared`. */
const STAMP = 0;
const ARRIVED = 1;
const ROUND = 2;

/** All threads go on together; the last to come runs `between` first. */
function meet(shared, threads, between) {
  const round = Atomics.load(shared, ROUND);
  if (Atomics.add(shared, ARRIVED, 1) === threads - 1) {
    between();
    Atomics.store(shared, ARRIVED, 0);
    Atomics.add(shared, ROUND, 1);
    Atomics.notify(shared, ROUND);
    return;
  }
  for (let spins = 0; spins < 2000; spins += 1) if (Atomics.load(shared, ROUND) !== round) return;
  while (Atomics.load(shared, ROUND) === round) Atomics.wait(shared, ROUND, round);
}

/** Is always ahead, but a thread that reads the clock has to read it. */
const LONG = { ttl: 1e9 };

/**
 * Plays its part in each round and writes the calls into `log`; returns how many there were in each. Calls
 * are so short that threads on few processors would hardly meet in one: so now and then a thread naps,
 * at a step of a write or where a read looks at the clock.
 */
export function record(handle, options) {
  const { me, threads, seed, rounds, calls, keys, maxLength, shared, log, threadIds, steals } = options;
  const random = randomFrom(seed + me * 7919);
  const nap = napper(seed - me);
  const clock = () => {
    nap();
    return 1;
  };
  const cache = SharedLRU.attach(handle, { clock });
  onFailpoint(nap);
  const name = (key) => `key-${key}`;
  const tokens = new Array(keys);
  const counts = [];
  let at = 0;
  const log6 = (kind, key, invoked, value, present) => {
    const returned = Atomics.add(shared, STAMP, 1);
    log.set([KINDS.indexOf(kind), key, invoked, returned, value, present ? 1 : 0], at);
    at += CALL_WORDS;
  };
  for (let round = 0; round < rounds; round += 1) {
    meet(shared, threads, () => {
      // Nothing is there at the start; but what threads have near is, and what the slots pointed at.
      if (round % 3 === 0) cache.clear();
      else for (let key = 0; key < keys; key += 1) cache.delete(name(key));
    });
    tokens.fill(undefined);
    const before = at;
    for (let i = 0; i < calls; i += 1) {
      const key = random(keys);
      const id = 1 + (round * threads + me) * calls + i;
      const choice = random(100);
      const value = choice < 50 ? describe(key, me, id, random(maxLength)) : undefined;
      const token = tokens[key];
      const invoked = Atomics.add(shared, STAMP, 1);
      if (choice < 20) {
        cache.set(name(key), value, LONG);
        log6('set', key, invoked, id);
      } else if (choice < 32) {
        if (token !== undefined && cache.fill(name(key), value, token, LONG)) log6('fill', key, invoked, id);
      } else if (choice < 44) {
        tokens[key] = cache.fillToken(name(key));
        log6('token', key, invoked);
      } else if (choice < 50) {
        log6('delete', key, invoked, 0, cache.delete(name(key)));
      } else if (choice < 52) {
        cache.set(name(key), TOO_LARGE);
        log6('refused', key, invoked);
      } else if (choice < 53) {
        cache.clear();
        log6('clear', -1, invoked);
      } else if (choice < 56) {
        if (cache.has(name(key))) log6('has', key, invoked);
      } else if (choice < 62) {
        // Not of any history: it makes the logs go round.
        cache.set(`other-${random(20)}`, describe(0, me, id, random(maxLength)));
      } else if (choice < 63) {
        if (steals > 0 && random(2) === 0) cache.recover(threadIds[random(threads)]);
      } else {
        const found = cache.get(name(key));
        if (found !== undefined) log6('get', key, invoked, read(key, found).sequence);
      }
    }
    counts.push((at - before) / CALL_WORDS);
  }
  return counts;
}
