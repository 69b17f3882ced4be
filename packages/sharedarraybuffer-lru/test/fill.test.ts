import { expect, test } from 'vitest';
import { SharedLRU } from '../dist/index.js';

const value = Buffer.from('loaded');

function withOther(): [SharedLRU, SharedLRU] {
  const cache = SharedLRU.create({ maxBytes: 1 << 20 });
  return [cache, SharedLRU.attach(cache.handle)];
}

test('a fill stores what was loaded if nobody wrote the key meanwhile', () => {
  const [cache, other] = withOther();
  const token = cache.fillToken('key');
  expect(cache.fillToken('key')).toBe(token);
  expect(other.fill('key', value, token, { ttl: 5000 })).toBe(true);
  expect(cache.get('key')?.toString()).toBe('loaded');
  expect(cache.remainingTtl('key')).toBeGreaterThan(0);
  // Two loads that began at the same time: both are as new as the token.
  expect(cache.fill('key', value, token)).toBe(true);
});

test.for<[string, (cache: SharedLRU) => unknown]>([
  ['set', (cache) => cache.set('key', Buffer.from('newer'))],
  ['set that was refused', (cache) => cache.set('key', Buffer.alloc(1 << 20))],
  ['delete', (cache) => cache.delete('key')],
  ['clear', (cache) => cache.clear()],
])('a fill after a %s is refused', ([, write]) => {
  for (const present of [false, true]) {
    const [cache, other] = withOther();
    if (present) cache.set('key', Buffer.from('old'));
    const token = cache.fillToken('key');
    write(other);
    const left = cache.get('key')?.toString();
    expect(cache.fill('key', value, token)).toBe(false);
    expect(cache.get('key')?.toString()).toBe(left);
    expect(cache.fill('key', value, cache.fillToken('key'))).toBe(true);
  }
});

test('a fill of one key is seldom refused because of another', () => {
  const [cache] = withOther();
  let refused = 0;
  for (let i = 0; i < 1000; i += 1) {
    const token = cache.fillToken(`key-${i}`);
    cache.set(`other-${i}`, value);
    if (!cache.fill(`key-${i}`, value, token)) refused += 1;
  }
  expect(refused).toBeLessThan(20);
});
