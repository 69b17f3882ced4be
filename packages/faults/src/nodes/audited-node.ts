import { setTimeout as sleep } from 'node:timers/promises';
import { type Session, StoreError, ZMsg } from '@zmsg/core';
import { Random } from '@zmsg/node';
import pg from 'pg';
import { Tally } from '../tally.js';
import { AuditedReads } from './audited-reads.js';
import { AuditedWrites } from './audited-writes.js';
import { PREFIXES } from './key-space.js';
import { monotonicMs } from './monotonic-clock.js';
import type { NodeCommand, NodeCounts, NodeMessage, NodeSpec } from './node-spec.js';
import { RecordWriter } from './record-writer.js';

/*
 * A node under audit: reads and writes at given rates until it is told to stop, and tells through a pipe what it
 * read and wrote, and when.
 */

const TURN_MS = 4;
/** A turn that comes so late stood still meanwhile. */
const STALL_MS = 200;
const COUNTS_MS = 500;
const OPEN_AGAIN_MS = 250;
const TELL_WAITING_MS = 10_000;
/** Longest time between the query of a slow load and its answer. */
const SLOW_LOAD_MS = 40;

const EVENTS = ['coherence:link:lost', 'coherence:link:restored', 'coherence:messages:missed'] as const;

const spec = JSON.parse(process.argv[2] ?? '') as NodeSpec;
const random = new Random(spec.seed);
const records = new RecordWriter();
const rejected = new Tally();
const events = new Tally();
let isStopping = false;
let isResting = false;
let diesAfterCommit = false;
let looks = 0;
let trusted = 0;

const onOrphaned = () => process.exit(1); // the bench is gone
process.on('disconnect', onOrphaned);
process.on('message', (command: NodeCommand) => {
  if (command === 'stop') isStopping = true;
  else if (command === 'die after commit') diesAfterCommit = true;
  else isResting = command === 'rest';
});
watchCommits();

const zm = await opened();
const source = { table: 'audited_rows', key: 'id', column: 'data' };
zm.loader(PREFIXES.table, source);
zm.loader(PREFIXES.periodic, source);
zm.loader(PREFIXES.slow, slowLoad);
for (const type of EVENTS) zm.on(type, () => events.add(type));
zm.on('coherence:messages:missed', () => records.add('missed', 0, 0, monotonicMs()));
const onRejected = (error: unknown) => rejected.add(String((error as { code?: unknown }).code ?? error));
const reads = new AuditedReads(zm, records, random, onRejected);
const writes = new AuditedWrites(zm, records, random, spec, onRejected);
tell({ opened: true });
await run();
const telling = setInterval(
  () => console.error('still waiting for:', ...writes.active),
  TELL_WAITING_MS,
).unref();
await writes.settled();
records.flush();
tell({ counts: counts() });
console.error('closing');
await zm.close();
clearInterval(telling);
process.off('disconnect', onOrphaned);
process.disconnect();

/** A PostgreSQL that is just restarted refuses the opening; who runs an application starts it again. */
async function opened(): Promise<ZMsg> {
  for (;;) {
    try {
      return await ZMsg.open(spec.options);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      rejected.add('STORE at open');
      await sleep(OPEN_AGAIN_MS);
    }
  }
}

function run(): Promise<void> {
  return new Promise((resolve) => {
    let lastMs = monotonicMs();
    let toldAtMs = lastMs;
    let readCredit = 0;
    let writeCredit = 0;
    let toldState: string | undefined;
    const turn = () => {
      const timersAtMs = monotonicMs();
      const { state = 'doubt' } = zm.stats().coherence ?? {};
      if (state !== toldState) records.add(state, 0, 0, timersAtMs);
      toldState = state;
      const sinceMs = timersAtMs - lastMs;
      if (sinceMs > STALL_MS) records.add('stall', 0, 0, lastMs, timersAtMs);
      lastMs = timersAtMs;
      // What was missed while it stood still is not made up for.
      readCredit += (Math.min(sinceMs, STALL_MS) * spec.readRate) / 1000;
      writeCredit += (Math.min(sinceMs, STALL_MS) * spec.writeRate) / 1000;
      // After the engine's timers, whichever of them are due.
      setImmediate(() => {
        if (isResting) readCredit = writeCredit = 0;
        reads.run(Math.floor(readCredit), timersAtMs);
        readCredit %= 1;
        writes.run(Math.floor(writeCredit));
        writeCredit %= 1;
        records.flush();
        if (timersAtMs - toldAtMs > COUNTS_MS) {
          toldAtMs = timersAtMs;
          tell({ counts: counts() });
        }
        if (isStopping) resolve();
        else setTimeout(turn, TURN_MS);
      });
    };
    turn();
  });
}

function counts(): NodeCounts {
  const { l2, load, coherence } = zm.stats();
  looks += 1;
  if (coherence?.state === 'trusted') trusted += 1;
  return {
    looks,
    trusted,
    l2Hits: l2?.hits ?? 0,
    loads: load.keys,
    rejected: Object.fromEntries(rejected),
    events: Object.fromEntries(events),
  };
}

function tell(message: NodeMessage): void {
  process.send?.(message);
}

/** Old by the time it answers: what was written in between must win. */
async function slowLoad(keys: readonly string[], db: Session): Promise<Map<string, Buffer>> {
  const text = 'SELECT id, data FROM audited_rows WHERE id = ANY($1) AND data IS NOT NULL';
  const { rows } = await db.exec<{ id: string; data: Buffer }>(text, [keys]);
  await sleep(random.below(SLOW_LOAD_MS));
  return new Map(rows.map(({ id, data }) => [id, data]));
}

/** Puts the death where no signal from outside would meet: between the commit and what the engine does about it. */
function watchCommits(): void {
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function watched(this: pg.Client, ...args: unknown[]) {
    const answer = Reflect.apply(query, this, args);
    const [first] = args as [{ text?: string } | string];
    const text = typeof first === 'string' ? first : first.text;
    if (!diesAfterCommit || text?.includes('audited_commits') !== true) return answer;
    return Promise.resolve(answer).then((result) => {
      process.kill(process.pid, 'SIGKILL');
      return result;
    });
  } as typeof query;
}
