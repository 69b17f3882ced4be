import { errorRecord } from '../codec/reply.js';
import { Shard } from './shard.js';
import type { ShardOutcome, ShardTask } from './shard-task.js';

/** The Piscina task: resolves when the shard was told to stop, or when it cannot go on. */
export default async function runShard(task: ShardTask): Promise<ShardOutcome> {
  try {
    return await new Shard(task).run();
  } catch (error) {
    // Before anything was begun: the log cannot be read.
    return { error: errorRecord(error) };
  }
}
