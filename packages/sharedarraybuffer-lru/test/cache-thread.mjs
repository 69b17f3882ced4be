// A thread of the tests: attaches to the cache, runs the job it was given, posts the outcome.
import { parentPort, workerData } from 'node:worker_threads';
import { onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { record } from './history.mjs';
import { contend, readAndWrite } from './traffic.mjs';

const { job, handle, options } = workerData;
const cache = SharedLRU.attach(handle);

/** Stops inside the lock, at the failpoint, until `gate[0]` says go on; tells so in `gate[1]`. */
function stopAt(point, gate) {
  let stops = 1;
  onFailpoint((reached) => {
    if (reached !== point || stops === 0) return;
    stops -= 1;
    Atomics.store(gate, 1, 1);
    Atomics.notify(gate, 1);
    Atomics.wait(gate, 0, 0);
  });
}

const jobs = {
  contend: () => contend(cache, options),
  readAndWrite: () => readAndWrite(cache, options),
  record: () => record(handle, options),
  get: () => cache.get(options.key)?.toString(),
  call: () => {
    const { name, args, started } = options;
    if (started !== undefined) {
      Atomics.store(started, 1, 1);
      Atomics.notify(started, 1);
    }
    return cache[name](...args);
  },
  stopInside: () => {
    const { point, call, gate } = options;
    stopAt(point, gate);
    return cache[call.name](...call.args);
  },
};

parentPort.postMessage({ result: jobs[job]() });
