import { ZMsg } from '@zmsg/core';
import { LedgerWriter } from './ledger-writer.js';
import { Load } from './load.js';
import { Mix } from './mix.js';
import { Watchdog } from './watchdog.js';
import type { WorkloadSpec } from './workload-spec.js';

/*
 * A node of the application, to be ended in every way there is. Opens an engine, makes calls until its
 * standard input ends, then closes in an orderly way.
 */

/** Some call must be settled within this time, whatever happens to the database or to a shard. */
const CALL_LIMIT_MS = 30_000;
const QUEUE_POLL_MS = 50;

/** What the bench is told of. */
const EVENTS = [
  'flush:transaction:failed',
  'shard:thread:restarted',
  'shard:thread:failed',
  'log:tail:cut',
  'log:write:failed',
] as const;

const spec = JSON.parse(process.argv[2] ?? '') as WorkloadSpec;
const ledger = new LedgerWriter();
const stopped = new Promise<void>((resolve) => {
  process.stdin.on('end', resolve).on('error', () => resolve());
  process.stdin.resume();
});
const watchdog = new Watchdog(CALL_LIMIT_MS, (what) => ledger.hung(what));

try {
  await run();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
watchdog.close();
process.stdin.destroy();

async function run(): Promise<void> {
  const zm = await stage('open', async () => {
    const before = performance.now();
    const opened = await ZMsg.open(spec.options);
    ledger.opened(performance.now() - before);
    return opened;
  });
  for (const type of EVENTS) zm.on(type, () => ledger.event(type));
  const load = new Load(zm, new Mix(spec), ledger, watchdog, spec);
  load.start();
  const flushing =
    spec.flushEveryMs === undefined
      ? undefined
      : setInterval(() => void zm.flush().catch(() => {}), spec.flushEveryMs); // the last one counts
  if (spec.rate > 0) await stopped;
  clearInterval(flushing);
  await load.stop();
  if (spec.rate === 0) {
    await stage('queue', () => drainQueue(zm));
    await stage('dead letters', () => retryDeadLetters(zm));
  }
  // What cannot be flushed, since the engine is fenced for one, must not keep it from closing.
  await stage('flush', () => zm.flush()).catch(() => {});
  await stage('close', () => zm.close());
  // Receipts answer at the latest when the engine is closed.
  await new Promise((resolve) => setImmediate(resolve));
  for (const what of watchdog.open) ledger.hung(what);
  ledger.closed();
}

async function stage<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    ledger.flush();
    ledger.failed(name, error);
    throw error;
  }
}

/** Waits until nothing is due any more; what failed for good in an outage is tried again. */
async function drainQueue(zm: ZMsg): Promise<void> {
  const queue = await zm.delayQueue();
  for (;;) {
    for (const { id } of await queue.failed()) await queue.retryFailed(id);
    const { waiting, delayed, active, failed } = await queue.stats();
    if (waiting + delayed + active + failed === 0) return;
    await new Promise((resolve) => setTimeout(resolve, QUEUE_POLL_MS));
  }
}

/** What was refused while its table was away is applied now; what is refused again stays. */
async function retryDeadLetters(zm: ZMsg): Promise<void> {
  const letters = zm.deadLetters();
  let after = '0';
  for (;;) {
    const ids = (await letters.list({ after })).map(({ id }) => id);
    if (ids.length === 0) return;
    await letters.retry(ids);
    after = ids.at(-1) ?? after;
  }
}
