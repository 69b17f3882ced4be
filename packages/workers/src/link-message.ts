import type { MessagePort } from 'node:worker_threads';
import type { ErrorRecord } from './codec/reply.js';
import type { LaneFate } from './lane.js';

/** From the owner of the shards to a thread that writes to them. */
export type OwnerMessage =
  /** The shard's thread died; another one takes its place and answers over `port`. */
  | { type: 'shard:restarted'; shard: number; fate: LaneFate; port: MessagePort }
  /** The shard is given up. */
  | { type: 'shard:failed'; shard: number; error: ErrorRecord }
  /** Submit no more, bring to an end what was submitted, and let go. */
  | { type: 'close' }
  /** The shards are no more. */
  | { type: 'closed' };

/** From the thread to the owner: it heard `close`. When it has let go it closes the port. */
export type ThreadMessage = { type: 'closing' };
