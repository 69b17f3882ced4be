import { FencedError } from '../error.js';
import type { Session } from './session.js';

/** Whose progress a mark is. */
export interface Mark {
  /** UUID of the log that the shard's operations are counted in. */
  readonly logId: string;
  readonly shard: number;
  /** Higher than that of any earlier owner. */
  readonly epoch: bigint;
}

const TAKE = `
INSERT INTO zmsg_progress AS p (log_id, shard, epoch, position) VALUES ($1, $2, $3, 0)
ON CONFLICT (log_id, shard) DO UPDATE SET epoch = excluded.epoch, updated_at = now()
  WHERE p.epoch <= excluded.epoch
RETURNING position::text AS position`;
const MOVE = `
UPDATE zmsg_progress SET position = $5, updated_at = now()
 WHERE log_id = $1 AND shard = $2 AND epoch = $3 AND position = $4`;
const READ = `
SELECT position::text AS position FROM zmsg_progress WHERE log_id = $1 AND shard = $2 AND epoch = $3`;

/** Makes the mark this owner's and returns the position. Throws `FencedError` if it has a newer one. */
export async function takeMark({ logId, shard, epoch }: Mark, session: Session): Promise<bigint> {
  const { rows } = await session.query(TAKE, [logId, shard, String(epoch)]);
  if (rows[0] === undefined) throw new FencedError(`shard ${shard} has an owner newer than epoch ${epoch}`);
  return BigInt(rows[0].position as string);
}

/** Compare-and-set. False if the mark stands elsewhere or is another owner's. */
export async function moveMark(mark: Mark, from: bigint, to: bigint, session: Session): Promise<boolean> {
  const values = [mark.logId, mark.shard, String(mark.epoch), String(from), String(to)];
  return (await session.query(MOVE, values)).rowCount === 1;
}

/** Undefined if the mark is another owner's, or gone. */
export async function readMark({ logId, shard, epoch }: Mark, session: Session): Promise<bigint | undefined> {
  const { rows } = await session.query(READ, [logId, shard, String(epoch)]);
  return rows[0] === undefined ? undefined : BigInt(rows[0].position as string);
}
