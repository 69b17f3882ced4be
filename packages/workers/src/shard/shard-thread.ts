import { Shard } from './shard.js';
import type { ShardTask } from './shard-task.js';

/** The Piscina task: ends when the shard was told to stop, rejects when it cannot go on. */
export default function runShard(task: ShardTask): Promise<void> {
  return new Shard(task).run();
}
