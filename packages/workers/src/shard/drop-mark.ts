import type { Mark } from '../flush/progress.js';
import type { Session } from '../flush/session.js';

const DROP = 'DELETE FROM zmsg_progress WHERE log_id = $1 AND shard = $2 AND epoch = $3';

/** Deletes the progress mark of a shard that has nothing left to apply. */
export async function dropMark({ logId, shard, epoch }: Mark, session: Session): Promise<void> {
  await session.query(DROP, [logId, shard, String(epoch)]);
}
