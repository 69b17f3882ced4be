import { setImmediate, setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../dist/ids/id-clock.js';
import { IdGenerator } from '../dist/ids/id-generator.js';
import { Store } from '../dist/store/store.js';

// A process with a generator that does what its parent says, on a clock that is wrong by `offsetMs`.
const options = JSON.parse(process.argv[2]);
const { connectionString, epochMs, leaseTtlMs, offsetMs } = options;
const pool = { maxOpen: 1, maxIdle: 1, maxLifetimeMs: 300_000, connectTimeoutMs: 30_000 };
const store = new Store({ connectionString, onIdleError: () => {}, ...pool });
const machine = systemClock();
let wrongByMs = offsetMs;
const clock = { ...machine, nowMs: () => machine.nowMs() + wrongByMs };
const REFUSALS = ['LEASE_LOST', 'CLOCK'];
/** Enough for a lease to run out under load; a test that needs more hangs visibly. */
const PATIENCE_MS = 50_000;

let ids;
let running = false;
const events = [];
const since = () => process.hrtime.bigint();

/** As an application would: what is refused is tried again. */
async function insist(run) {
  const giveUpMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!REFUSALS.includes(error.code) || performance.now() > giveUpMs) throw error;
      events.push(error.code);
      await setTimeout(5);
    }
  }
}

async function issue(count) {
  const numbers = new BigInt64Array(count);
  for (let n = 0; n < count; ) {
    await insist(() => {
      for (const end = Math.min(count, n + 200); n < end; n++) numbers[n] = BigInt(ids.next());
    });
    await setImmediate();
  }
  return numbers;
}

const commands = {
  async open({ insisting }) {
    const open = () =>
      IdGenerator.open({ store, epochMs, leaseTtlMs, clock, onEvent: ({ type }) => events.push(type) });
    ids = await (insisting ? insist(open) : open());
    return { node: ids.nodeId, at: since() };
  },
  issue: ({ count }) => issue(count),
  /** In threads of its own, at once. */
  async thread({ count }) {
    const worker = new Worker(new URL('./ids-thread.mjs', import.meta.url), {
      workerData: { handle: ids.handle, count },
    });
    return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  },
  /** Issues without pause, and tells the parent as it goes, until `halt`. */
  async run() {
    running = true;
    while (running) process.send({ stream: await issue(500) });
  },
  halt() {
    running = false;
  },
  step({ ms }) {
    wrongByMs += ms;
  },
  node: () => ids.nodeId,
  events: () => events.splice(0),
  async close() {
    const held = { node: ids.nodeId, at: since() };
    await ids.close();
    return held;
  },
};

process.on('message', async ({ call, name, args }) => {
  try {
    process.send({ call, value: await commands[name](args) });
  } catch (error) {
    process.send({ call, error: { code: error.code, message: error.message } });
  }
});
process.on('disconnect', () => process.exit(0));
