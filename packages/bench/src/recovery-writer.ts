import { writeSync } from 'node:fs';
import { counter, ZMsg, type ZMsgOptions } from '@zmsg/core';
import { inFlight } from './in-flight.js';

/** A node that takes likes and dies as by kill -9 before it has flushed one. Arguments: options, likes, rows. */
const [options, likes, rows] = JSON.parse(process.argv[2] as string) as [ZMsgOptions, number, number];
const zm = await ZMsg.open(options);
await inFlight(likes, 10_000, (n) => {
  const id = (n * 7919) % rows;
  return zm.cacheAndPeriodicStore(
    `row_${id}`,
    null,
    counter('bench_recovery', 'likes').inc(1).where('id = ?', id),
  );
});
writeSync(1, `${zm.stats().shards.applied} ${zm.stats().shards.log.bytes}`);
process.kill(process.pid, 'SIGKILL');
