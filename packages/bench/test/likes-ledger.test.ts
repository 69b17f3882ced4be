import { expect, test } from 'vitest';
import { Application } from '../dist/workloads/application.js';
import type { Contender } from '../dist/workloads/contender.js';
import { LikesLedger } from '../dist/workloads/likes-ledger.js';
import { LoadWatch } from '../dist/workloads/load-watch.js';
import { postBody, postId, postText } from '../dist/workloads/post.js';

test('a like is due when it was acknowledged longer ago than is allowed, and not before', () => {
  const ledger = new LikesLedger(1_000);
  ledger.submit(3);
  ledger.acknowledge(3, 10_000);
  for (const [nowMs, due] of [
    [10_000, 0],
    [11_000, 0],
    [11_500, 1],
  ] as const) {
    ledger.tick(nowMs);
    expect(ledger.due(3)).toBe(due);
  }
});

test('likes become due in the order of their acknowledgements, each once', () => {
  const ledger = new LikesLedger(1_000);
  for (let ms = 0; ms < 5_000; ms += 10) ledger.acknowledge(0, ms);
  for (let nowMs = 0; nowMs < 8_000; nowMs += 50) {
    ledger.tick(nowMs);
    const old = Math.max(0, Math.min(500, Math.floor((nowMs - 1_000) / 10) + 1));
    expect(ledger.due(0)).toBeLessThanOrEqual(old);
    expect(ledger.due(0)).toBeGreaterThanOrEqual(Math.max(0, old - 30));
  }
  expect(ledger.due(0)).toBe(500);
  expect(ledger.total).toBe(500);
});

/** Answers with what it is told. */
class Told implements Contender {
  likes = 0;
  id: string | undefined;
  load: (() => Promise<void>) | undefined;
  readonly #loads: LoadWatch;

  constructor(loads: LoadWatch) {
    this.#loads = loads;
  }

  async read(id: string) {
    await this.load?.();
    if (this.load !== undefined) this.#loads.loaded(id);
    const of = this.id ?? id;
    return postText({ id: of, likes: this.likes, body: postBody(of) });
  }

  async start() {}
  async like() {}
  async post() {}
  async settle() {}
  async stop() {}
}

function newApplication(allowedAgeMs: number) {
  const loads = new LoadWatch();
  const contender = new Told(loads);
  const ledger = new LikesLedger(allowedAgeMs);
  return { contender, ledger, loads, application: new Application({ contender, ledger, loads, size: 10 }) };
}

test('a count that is older than allowed ends the run', async () => {
  const { application, ledger } = newApplication(0);
  await application.like(1);
  ledger.tick(performance.now() + 1_000);
  await application.read(1);
  expect(() => application.throwFault()).toThrow('0 likes, 1 are known');
});

test('a count that nobody gave ends the run', async () => {
  const { application, contender } = newApplication(0);
  contender.likes = 1;
  await application.read(1);
  expect(() => application.throwFault()).toThrow('too many');
});

test('the value of another post ends the run', async () => {
  const { application, contender } = newApplication(0);
  contender.id = postId(2);
  await application.read(1);
  expect(() => application.throwFault()).toThrow('not the value');
});

test('a read that waits for the load of another read is a miss, too', async () => {
  const { application, contender, loads } = newApplication(0);
  expect(await application.read(1)).toBe(true);
  contender.load = async () => {};
  expect(await application.read(1)).toBe(false);
  contender.load = undefined;
  const waiting = application.read(1);
  loads.loaded(postId(1));
  expect(await waiting).toBe(false);
  expect(await application.read(1)).toBe(true);
  expect([application.reads, application.misses]).toEqual([4, 2]);
  application.throwFault();
});
