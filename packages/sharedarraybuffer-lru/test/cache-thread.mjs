// A thread of the tests: attaches to the cache, runs the job it was given, posts the outcome.
import { parentPort, workerData } from 'node:worker_threads';
import { onFailpoint } from '../dist/failpoint.js';
import { SharedLRU } from '../dist/index.js';
import { record } from './history.mjs';
import { contend, readAndWrite } from './traffic.mjs';

const { job, handle, options } = workerData;
const cache = SharedLRU.attach(handle);

/** Stops at each of the points in turn, until `gates[i][0]` says go on; tells so in `gates[i][1]`. */
function stopAt(points, gates) {
  let next = 0;
  onFailpoint((reached) => {
    if (reached !== points[next]) return;
    const gate = gates[next];
    next += 1;
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
    const { points, call, gates } = options;
    stopAt(points, gates);
    return cache[call.name](...call.args);
  },
};

parentPort.postMessage({ result: jobs[job]() });
