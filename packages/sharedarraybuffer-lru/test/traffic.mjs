// What several threads do to one cache at the same time, and what must hold for all they see.

function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * below);
  };
}

/** Key, writer, version and length, then bytes that follow from them: a mixture of two is seen. */
export function describe(key, writer, version, length) {
  const value = Buffer.allocUnsafe(16 + length);
  value.writeUInt32LE(key, 0);
  value.writeUInt32LE(writer, 4);
  value.writeUInt32LE(version, 8);
  value.writeUInt32LE(length, 12);
  let state = Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(writer + 1, 0x85ebca77) ^ version;
  for (let i = 16; i < value.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    value[i] = state >>> 24;
  }
  return value;
}

/** The version in the value; throws if it is not one that somebody wrote for the key. */
export function versionOf(key, value) {
  if (value.length < 16) throw new Error(`torn: ${value.length} bytes for key ${key}`);
  const expected = describe(key, value.readUInt32LE(4), value.readUInt32LE(8), value.length - 16);
  if (!expected.equals(value))
    throw new Error(`torn or foreign value for key ${key}: ${value.toString('hex')}`);
  return value.readUInt32LE(8);
}

/** Everybody sets, fills, deletes, clears and reads all keys. */
export function contend(cache, { seed, operations, keys, maxLength }) {
  const random = randomFrom(seed);
  let hits = 0;
  for (let i = 0; i < operations; i += 1) {
    const key = random(keys);
    const name = `key-${key}`;
    const choice = random(1000);
    if (choice < 600) {
      const value = cache.get(name);
      if (value !== undefined) {
        versionOf(key, value);
        hits += 1;
      }
    } else if (choice < 900) cache.set(name, describe(key, seed, i, random(maxLength)));
    else if (choice < 950) cache.fill(name, describe(key, seed, i, random(maxLength)), cache.fillToken(name));
    else if (choice < 995) cache.delete(name);
    else if (choice < 998) cache.has(name);
    else if (choice < 999) cache.remainingTtl(name);
    else cache.clear();
  }
  return hits;
}

/**
 * Each key has one writer, all threads read it. `begun` holds the last version of a key whose set has begun,
 * `done` one more than the last version that a finished set or delete has put an end to. A read may give
 * nothing, but no value that was overwritten or deleted before it began, none that nobody has set yet, and
 * none older than the same thread has seen before.
 */
export function readAndWrite(cache, { me, threads, operations, keys, maxLength, begun, done }) {
  const random = randomFrom(me + 99);
  const seen = new Int32Array(keys);
  let hits = 0;
  for (let i = 0; i < operations; i += 1) {
    const key = random(keys);
    const name = `key-${key}`;
    const writes = key % threads === me && random(10) < 5;
    if (writes) {
      const version = Atomics.load(begun, key) + 1;
      if (random(4) === 0) {
        cache.delete(name);
        Atomics.store(done, key, version);
      } else {
        Atomics.store(begun, key, version);
        cache.set(name, describe(key, me, version, random(maxLength)));
        Atomics.store(done, key, version);
      }
      continue;
    }
    if (random(5000) === 0) cache.clear();
    const oldest = Atomics.load(done, key);
    const value = cache.get(name);
    if (value === undefined) continue;
    hits += 1;
    const version = versionOf(key, value);
    if (version < oldest) throw new Error(`stale: version ${version} of key ${key}, ${oldest} was done`);
    if (version > Atomics.load(begun, key)) throw new Error(`version ${version} of key ${key} has not begun`);
    if (version < seen[key]) throw new Error(`back in time: ${version} of key ${key} after ${seen[key]}`);
    seen[key] = version;
  }
  return hits;
}
