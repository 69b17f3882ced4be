// What several threads do to one cache at the same time, and what must hold for all they see.
import { onFailpoint } from '../dist/failpoint.js';

/** Values that describe themselves: key, writer, sequence number, length, then bytes that follow from those. */
const HEADER_BYTES = 16;

export function randomFrom(seed) {
  let state = seed | 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

const bed = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps now and then, as a thread does for which there is no processor. */
export function napper(seed) {
  const random = randomFrom(seed);
  return () => {
    if (random(12) === 0) Atomics.wait(bed, 0, 0, 0.02);
  };
}

/** A value of `HEADER_BYTES` and `length` more. */
export function describe(key, writer, sequence, length) {
  const value = Buffer.allocUnsafe(HEADER_BYTES + length);
  value.writeUInt32LE(key, 0);
  value.writeUInt32LE(writer, 4);
  value.writeUInt32LE(sequence, 8);
  value.writeUInt32LE(length, 12);
  let state = seedOf(key, writer, sequence);
  let i = HEADER_BYTES;
  for (; i + 4 <= value.length; i += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    value.writeInt32LE(state, i);
  }
  for (; i < value.length; i += 1) value[i] = state >>> ((i & 3) * 8);
  return value;
}

function seedOf(key, writer, sequence) {
  return Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(writer + 1, 0x85ebca77) ^ sequence;
}

/** Its writer and sequence number; throws if it is not a value that somebody wrote for the key. */
export function read(key, value) {
  const wrong = (what) =>
    new Error(`${what}: ${value.length} bytes for key ${key}: ${value.toString('hex')}`);
  if (value.length < HEADER_BYTES) throw wrong('torn');
  if (value.readUInt32LE(0) !== key) throw wrong('foreign');
  const writer = value.readUInt32LE(4);
  const sequence = value.readUInt32LE(8);
  if (value.readUInt32LE(12) !== value.length - HEADER_BYTES) throw wrong('torn');
  let state = seedOf(key, writer, sequence);
  let i = HEADER_BYTES;
  for (; i + 4 <= value.length; i += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    if (value.readInt32LE(i) !== state) throw wrong('torn');
  }
  for (; i < value.length; i += 1) if (value[i] !== ((state >>> ((i & 3) * 8)) & 255)) throw wrong('torn');
  return { writer, sequence };
}

const TTLS = [undefined, undefined, undefined, { ttl: 1 }, { ttl: 20 }, { ttl: 0.5 }];

/**
 * Everybody sets, fills, deletes, clears and reads all keys. `steals`: and takes locks from the living.
 * `control`: its first cell ends this, the second counts the operations of all. `naps`: at steps of writes.
 */
export function contend(
  cache,
  { me, seed, operations, keys, maxLength, writes, threadIds = [], control, naps = false, steals = 0 },
) {
  const random = randomFrom(seed + me * 7919);
  const value = (key, i) => (random(20) === 0 ? Buffer.alloc(0) : describe(key, me, i, random(maxLength)));
  let hits = 0;
  if (naps) onFailpoint(napper(seed - me));
  for (let i = 0; i < operations; i += 1) {
    const key = random(keys);
    const name = `key-${key}`;
    if (control !== undefined) {
      if (Atomics.load(control, 0) === 1) return hits;
      Atomics.add(control, 1, 1);
      Atomics.notify(control, 1);
    }
    if (steals > 0 && random(steals) === 0) cache.recover(threadIds[random(threadIds.length)]);
    if (random(100) >= writes) {
      const found = cache.get(name);
      if (found !== undefined) hits += 1;
      if (found !== undefined && found.length > 0) read(key, found);
      continue;
    }
    const choice = random(1000);
    if (choice < 700) cache.set(name, value(key, i), TTLS[random(TTLS.length)]);
    else if (choice < 820) cache.fill(name, value(key, i), cache.fillToken(name), TTLS[random(TTLS.length)]);
    else if (choice < 970) cache.delete(name);
    else if (choice < 980) cache.has(name);
    else if (choice < 990) cache.remainingTtl(name);
    else if (choice < 998) cache.clear();
    else if (choice < 999) cache.stats();
    else for (const known of cache.keys()) if (!/^key-\d+$/.test(known)) throw new Error(`a key ${known}`);
  }
  return hits;
}

/** What a version of a key is: the same for all threads, so that anyone can load it from the "database". */
function versionOf(key, version, maxLength) {
  if (version === 0 || version % 8 === 3) return undefined;
  if (version % 8 === 1) return Buffer.alloc(0);
  return describe(key, 0, version, (seedOf(key, 1, version) >>> 0) % maxLength);
}

/** The oldest version, from this one on, that is a value of no bytes. */
function emptyFrom(version) {
  return version + ((9 - (version % 8)) % 8);
}

/**
 * Each key has one writer, all threads read it, and fill it with what is in the database. `begun` holds the
 * version in the database, which is there before it is in the cache; `done` the last version whose set or
 * delete has returned. A read may give nothing, but no version that was overwritten or deleted before it
 * began, none that is not written yet, and none older than the same thread has seen before.
 */
export function readAndWrite(cache, options) {
  const { me, threads, seed, operations, keys, maxLength, writes, begun, done } = options;
  const { threadIds = [], steals = 0, naps = false } = options;
  if (naps) onFailpoint(napper(seed - me));
  const random = randomFrom(seed + me * 7919);
  const seen = new Int32Array(keys);
  let hits = 0;
  for (let i = 0; i < operations; i += 1) {
    const key = random(keys);
    const name = `key-${key}`;
    if (steals > 0 && random(steals) === 0) cache.recover(threadIds[random(threadIds.length)]);
    if (key % threads === me && random(100) < writes) {
      const version = Atomics.load(begun, key) + 1;
      const value = versionOf(key, version, maxLength);
      Atomics.store(begun, key, version);
      if (value !== undefined) cache.set(name, value, TTLS[random(TTLS.length)]);
      else if (version % 16 === 3) cache.delete(name);
      // Too large: that deletes, too.
      else if (cache.set(name, TOO_LARGE)) throw new Error('a value too large was stored');
      Atomics.store(done, key, version);
      continue;
    }
    const choice = random(5000);
    if (choice === 0) cache.clear();
    if (choice < 20 + writes * 5) {
      const token = cache.fillToken(name);
      const version = Atomics.load(begun, key);
      // Before the set is there, fills of this version and of the one before may come in either order.
      const isLoadable = Atomics.load(done, key) === version;
      const value = isLoadable ? versionOf(key, version, maxLength) : undefined;
      if (value !== undefined) cache.fill(name, value, token, TTLS[random(TTLS.length)]);
      continue;
    }
    const oldest = Math.max(seen[key], Atomics.load(done, key));
    const value = cache.get(name);
    if (value === undefined) continue;
    hits += 1;
    const version = value.length === 0 ? emptyFrom(oldest) : read(key, value).sequence;
    const where = `version ${version} of key ${key}, operation ${i} of thread ${me}`;
    if (version < oldest) {
      throw new Error(`${where}: ${seen[key]} was seen, ${oldest} was done`);
    }
    if (version > Atomics.load(begun, key)) throw new Error(`${where} has not begun`);
    seen[key] = version;
  }
  return hits;
}

const TOO_LARGE = Buffer.alloc(1 << 20);
