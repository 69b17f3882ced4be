// The filter beside that of bloom-filters: node packages/core/bench/bloom.mjs
import bloomFilters from 'bloom-filters';
import { BloomBits } from '../dist/bloom/bloom-bits.js';
import { bloomSize } from '../dist/bloom/bloom-size.js';

const CAPACITY = 1_000_000;
const keys = Array.from({ length: 100_000 }, (_, n) => `feed_${7_382_910_000_000_000 + n * 977}`);
let sink = 0;

/** Median nanoseconds per call over nine passes; half of the keys are in the filter. */
function perCall(some, call) {
  const rounds = [];
  for (let round = 0; round < 9; round++) {
    const start = process.hrtime.bigint();
    for (const key of some) sink += Number(call(key));
    rounds.push(Number(process.hrtime.bigint() - start) / some.length);
  }
  return rounds.sort((a, b) => a - b)[4];
}

const bits = BloomBits.create(bloomSize(CAPACITY, 0.01));
const peer = bloomFilters.BloomFilter.create(CAPACITY, 0.01);
const few = keys.slice(0, 5_000);
for (let n = 0; n < keys.length; n += 2) bits.add(keys[n]);
for (let n = 0; n < few.length; n += 2) peer.add(few[n]);

const has = perCall(few, (key) => peer.has(key));
const mayContain = perCall(keys, (key) => bits.mayContain(key));
const add = perCall(keys, (key) => bits.add(key));
console.log(`bloom-filters has   ${has.toFixed(0).padStart(6)} ns`);
console.log(
  `mayContain          ${mayContain.toFixed(0).padStart(6)} ns  ${(has / mayContain).toFixed(0)} × faster`,
);
console.log(`add                 ${add.toFixed(0).padStart(6)} ns`);
if (sink === 0) throw new Error('nothing was measured');
