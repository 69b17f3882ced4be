// Ids beside Date.now(): node packages/core/bench/ids.mjs
import { IdCell } from '../dist/ids/id-cell.js';
import { systemClock } from '../dist/ids/id-clock.js';
import { IdIssuer } from '../dist/ids/id-issuer.js';

const clock = systemClock();
const epochMs = Date.UTC(2024, 0, 1);
const cell = IdCell.create(epochMs);
cell.grant({ node: 7, startMs: 0, limitMs: 2 ** 41 - 1, deadlineMs: Number.MAX_SAFE_INTEGER / 1e6 });
const issuer = new IdIssuer(cell, clock);
const BURST = 2000;
let sink = 0;

/** Nanoseconds per call in bursts that stay below 4,096 ids per millisecond over time. */
function bursts(call) {
  const rounds = [];
  for (let round = 0; round < 400; round++) {
    clock.wait(2);
    const start = process.hrtime.bigint();
    for (let n = 0; n < BURST; n++) sink += call();
    rounds.push(Number(process.hrtime.bigint() - start) / BURST);
  }
  return rounds.sort((a, b) => a - b)[rounds.length >> 1];
}

const now = bursts(() => Date.now());
for (const [name, call] of [
  ['next()', () => issuer.next().length],
  ["next('feed')", () => issuer.next('feed').length],
  ["next('feed'), flattened", () => Number(issuer.next('feed').charCodeAt(20))],
]) {
  const ns = bursts(call);
  console.log(
    `${name.padEnd(26)} ${ns.toFixed(0).padStart(5)} ns  ${(ns / now).toFixed(2)} × Date.now() (${now.toFixed(0)} ns)`,
  );
}

const start = process.hrtime.bigint();
for (let n = 0; n < 2_000_000; n++) sink += issuer.next('feed').length;
const perMs = 2e12 / Number(process.hrtime.bigint() - start);
console.log(`without a pause            ${perMs.toFixed(0)} ids per ms, of 4,096`);
if (sink === 0) throw new Error('nothing was measured');
