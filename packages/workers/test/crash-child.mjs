import { readFileSync, writeSync } from 'node:fs';
import { deserialize } from 'node:v8';
import { startShards } from '../dist/index.js';

// A process that carries out steps and then dies as by kill -9: nothing is flushed, nothing is tidied.
const { options, steps } = deserialize(readFileSync(0));
const shards = await startShards({ ...options, onEvent: () => {} });
for (const { submit, durability, flush } of steps) {
  if (submit !== undefined) {
    await Promise.all(submit.map((task) => shards.submit(task, { durability })));
    writeSync(1, `acknowledged ${submit.length}\n`);
  }
  if (flush === true) await shards.flush();
}
writeSync(1, `${JSON.stringify(shards.stats())}\n`);
process.kill(process.pid, 'SIGKILL');
