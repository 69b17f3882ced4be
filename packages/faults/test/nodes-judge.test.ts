import { expect, test } from 'vitest';
import { ABSENT, DAMAGED, packKind, RECORD_KINDS, type RecordKind } from '../dist/nodes/audit-record.js';
import { encodeValue, writeOf } from '../dist/nodes/audited-value.js';
import { History, ProcessHistory } from '../dist/nodes/history.js';
import { Judge } from '../dist/nodes/judge.js';
import { KEYS, type KeyKind } from '../dist/nodes/key-space.js';

const BOUND_MS = 4_000;
const keyOf = (kind: KeyKind) => KEYS.find((key) => key.kind === kind)?.at as number;
const STRONG = keyOf('table');
/** Writes of processes 1 and 2. */
const [A1, A2, B1] = [1e9 + 1, 1e9 + 2, 2e9 + 1];

/** A history of two nodes, told as they would tell it; commits are in the order of the calls. */
class Told {
  readonly history = new History();
  readonly #commits: { key: number; write: number; isDeletion: boolean; atMs: number }[] = [];

  constructor() {
    for (const process of [1, 2]) this.history.processes.set(process, new ProcessHistory(process - 1));
  }

  record(process: number, kind: RecordKind, key: number, write: number, first: number, second = 0): this {
    const record = Float64Array.of(packKind(RECORD_KINDS.indexOf(kind), key), write, first, second);
    this.history.processes.get(process)?.take(Buffer.from(record.buffer), this.history.writes);
    return this;
  }

  write(write: number, begunMs: number, doneMs?: number, key = STRONG, isDeletion = false): this {
    const process = Math.floor(write / 1e9);
    this.record(process, 'begin', key, write, begunMs, isDeletion ? 1 : 0);
    if (doneMs !== undefined) this.record(process, 'done', key, write, doneMs);
    this.#commits.push({ key, write, isDeletion, atMs: begunMs });
    return this;
  }

  read(process: number, write: number, calledMs: number, answeredMs = calledMs, key = STRONG): this {
    return this.record(process, 'get', key, write, calledMs, answeredMs);
  }

  async judged(): Promise<Judge> {
    const judge = new Judge(BOUND_MS);
    await judge.judge(this.history, this.#commits, Number.POSITIVE_INFINITY);
    return judge;
  }

  async findings(): Promise<string[]> {
    return (await this.judged()).findings.map(({ kind }) => kind);
  }
}

test('a value is of its key and write, whole, or of none', () => {
  for (const write of [0, A1, 99e9 + 123_456]) {
    const value = encodeValue(7, write);
    expect(writeOf(7, value)).toBe(write);
    expect(writeOf(8, value)).toBeUndefined();
    expect(writeOf(7, value.subarray(0, value.length - 4))).toBeUndefined();
    for (let at = 0; at < value.length; at += 1) {
      const torn = Buffer.from(value);
      torn[at] = (torn[at] as number) ^ 1;
      expect(writeOf(7, torn)).toBeUndefined();
    }
  }
});

test('a read is stale by the time since something newer was acknowledged, whoever wrote it', async () => {
  const told = new Told().write(A1, 100, 110).write(A2, 200, 210);
  const judge = await told.read(2, A1, 210).read(2, A1, 250).read(2, A2, 9_000).judged();
  expect(judge.findings).toEqual([]);
  expect([judge.total, judge.staleReads, judge.strongAges.max]).toEqual([3, 1, 40]);
});

test('a read that is older than the bound is found, with the time that a busy machine took', async () => {
  const told = () => new Told().write(A1, 100, 110).write(A2, 200, 210);
  expect(await told().read(2, A1, 4_210).findings()).toEqual([]);
  expect(await told().read(2, A1, 4_211).findings()).toEqual(['stale']);
  const stalled = () => told().record(2, 'stall', 0, 0, 1_000, 2_000);
  expect(await stalled().read(2, A1, 5_210).findings()).toEqual([]);
  expect(await stalled().read(2, A1, 5_211).findings()).toEqual(['stale']);
  // Of another process; or so long that the bench had stopped it.
  expect(await told().record(1, 'stall', 0, 0, 1_000, 2_000).read(2, A1, 4_211).findings()).toEqual([
    'stale',
  ]);
  expect(await told().record(2, 'stall', 0, 0, 500, 3_500).read(2, A1, 4_211).findings()).toEqual(['stale']);
});

test('a process must read its own writes at once', async () => {
  const told = () => new Told().write(A1, 100, 110).write(B1, 200, 210);
  expect(await told().read(1, A1, 211).findings()).toEqual([]);
  expect(await told().read(2, A1, 211).findings()).toEqual(['own']);
  expect(await told().read(2, A1, 209).findings()).toEqual([]);
});

test('versions are in the order of their commits, not of their acknowledgements', async () => {
  const told = () => new Told().write(B1, 100, 9_000).write(A1, 110, 120);
  expect(await told().read(2, A1, 20_000).findings()).toEqual([]);
  expect(await told().read(1, B1, 4_121).findings()).toEqual(['own', 'stale']);
});

test('nothing may be read that is torn, was never written, or has not yet begun', async () => {
  const told = () => new Told().write(A1, 100, 110);
  expect(await told().read(2, DAMAGED, 120).findings()).toEqual(['wrong']);
  expect(await told().read(2, B1, 120).findings()).toEqual(['wrong']);
  expect(await told().read(2, A1, 90, 99).findings()).toEqual(['wrong']);
  expect(await told().read(2, A1, 90, 101).findings()).toEqual([]);
  expect(await told().read(2, STRONG, 50).findings()).toEqual([]);
});

test('a read that finds nothing has seen a deletion', async () => {
  const told = () => new Told().write(A1, 100, 110, STRONG, true).write(B1, 200, 210);
  expect(await told().read(2, ABSENT, 90, 99).findings()).toEqual(['wrong']);
  expect(await told().read(2, ABSENT, 90, 101).findings()).toEqual([]);
  expect(await told().read(1, ABSENT, 4_210).findings()).toEqual([]);
  expect(await told().read(1, ABSENT, 4_211).findings()).toEqual(['stale']);
});

test('what was committed and not acknowledged is known from the death of its process, or its failure', async () => {
  const told = new Told().write(A1, 100, 110).write(B1, 200).read(1, A1, 50_000);
  expect(await told.findings()).toEqual([]);
  const died = new Told().write(A1, 100, 110).write(B1, 200).read(1, A1, 5_000);
  (died.history.processes.get(2) as ProcessHistory).diedMs = 900;
  expect(await died.findings()).toEqual(['stale']);
  const failed = new Told().write(A1, 100, 110).write(B1, 200).record(2, 'failed', STRONG, B1, 300);
  expect(await failed.read(1, A1, 4_301).findings()).toEqual(['stale']);
});

test('what only caches hold may be gone, or old after a fault, but not where nothing failed', async () => {
  const key = keyOf('cached');
  const told = () => new Told().write(A1, 1_000, 1_010, key).write(A2, 20_000, 20_010, key);
  expect(await told().read(2, ABSENT, 50_000, 50_000, key).findings()).toEqual([]);
  expect(await told().read(2, A1, 24_011, 24_011, key).findings()).toEqual(['stale']);
  const faulty = told();
  faulty.history.faults.push({ fault: 'link-cut', fromMs: 15_000, toMs: 16_000 });
  expect(await faulty.read(2, A1, 24_011, 24_011, key).findings()).toEqual([]);
  const divided = told().record(1, 'trusted', 0, 0, 500).record(1, 'doubt', 0, 0, 22_000);
  expect(await divided.read(2, A1, 24_011, 24_011, key).findings()).toEqual([]);
  const joined = told().record(1, 'doubt', 0, 0, 500).record(1, 'trusted', 0, 0, 20_000);
  expect(await joined.read(2, A1, 24_011, 24_011, key).findings()).toEqual(['stale']);
});

test('a read in a turn that had stood still is judged by what it is, not by its age', async () => {
  const told = () => new Told().write(A1, 100, 110).write(A2, 200, 210);
  expect(await told().record(2, 'lateRead', STRONG, A1, 9_000, 9_000).findings()).toEqual([]);
  expect(await told().record(2, 'lateRead', STRONG, DAMAGED, 9_000, 9_000).findings()).toEqual(['wrong']);
});

test('how soon others see a write is measured by the last older read', async () => {
  const told = new Told().write(A1, 100, 110).write(A2, 200, 210);
  const { quiet } = (await told.read(2, A1, 212).read(2, A1, 240).read(2, A2, 260).judged()).seen;
  expect([quiet.count, quiet.max]).toEqual([1, 30]);
});

test('a write is seen while nothing fails when all nodes heard each other from its acknowledgement on', async () => {
  const seen = async (...tell: ((told: Told) => void)[]) => {
    const told = new Told().write(A1, 100, 110).write(A2, 200, 210).read(2, A1, 240);
    for (const each of tell) each(told);
    const { trusted, quiet, all } = (await told.judged()).seen;
    return [trusted.count, quiet.count, all.count];
  };
  const state = (process: number, kind: 'trusted' | 'doubt', atMs: number) => (told: Told) =>
    void told.record(process, kind, 0, 0, atMs);
  const bothTrusted = [state(1, 'trusted', 50), state(2, 'trusted', 60)];
  expect(await seen(...bothTrusted)).toEqual([1, 1, 1]);
  // Whose it is makes no difference: it may be the writer that is not heard.
  expect(await seen(...bothTrusted, state(1, 'doubt', 230))).toEqual([0, 1, 1]);
  expect(await seen(...bothTrusted, state(2, 'doubt', 230), state(2, 'trusted', 235))).toEqual([0, 1, 1]);
  expect(await seen(state(1, 'trusted', 50), state(2, 'doubt', 60), state(2, 'trusted', 220))).toEqual([
    0, 1, 1,
  ]);
  expect(await seen(...bothTrusted, state(1, 'doubt', 241))).toEqual([1, 1, 1]);
  expect(await seen(state(1, 'trusted', 50), state(2, 'doubt', 60), state(2, 'trusted', 205))).toEqual([
    1, 1, 1,
  ]);
  // One that died in doubt, before.
  const dead = (told: Told) => {
    (told.record(1, 'doubt', 0, 0, 150).history.processes.get(1) as ProcessHistory).diedMs = 205;
  };
  expect(await seen(...bothTrusted, dead)).toEqual([1, 1, 1]);
  const fault = (told: Told) => void told.history.faults.push({ fault: 'link-cut', fromMs: 220, toMs: 225 });
  expect(await seen(...bothTrusted, fault)).toEqual([0, 0, 1]);
});

test('a message that is missed is found where nothing failed and all nodes heard each other', async () => {
  const told = () => new Told().record(1, 'trusted', 0, 0, 100).record(2, 'missed', 0, 0, 9_000);
  expect(await told().findings()).toEqual(['missed']);
  expect(await told().record(1, 'doubt', 0, 0, 8_900).findings()).toEqual([]);
  const faulty = told();
  faulty.history.faults.push({ fault: 'link-cut', fromMs: 3_000, toMs: 4_001 });
  expect(await faulty.findings()).toEqual([]);
});

test('a record that was cut off by the death of its writer says nothing', async () => {
  const told = new Told().write(A1, 100, 110);
  told.history.processes.get(2)?.take(Buffer.alloc(31), told.history.writes);
  expect((await told.read(1, A1, 200).judged()).total).toBe(1);
});
