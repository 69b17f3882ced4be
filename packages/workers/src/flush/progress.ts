import { FencedError } from '../error.js';
import type { Session } from './session.js';

/** Whose progress a mark is. */
export interface Mark {
  /** UUID of the log that the shard's operations are counted in. */
  readonly logId: string;
  readonly shard: number;
  /** Fencing token: raised by everyone who takes the mark over. */
  epoch: bigint;
}

/** What a mark says to the one who took it over. */
export interface TakenMark {
  readonly epoch: bigint;
  /** Everything up to here is applied. */
  readonly position: bigint;
}

const CREATE = `
INSERT INTO zmsg_progress (log_id, shard, epoch, position)
SELECT $1, shard, 0, 0 FROM generate_series(0, $2 - 1) AS shard`;
const TAKE = `
UPDATE zmsg_progress SET epoch = epoch + 1, updated_at = now()
 WHERE log_id = $1 AND shard = ANY($2::integer[])
RETURNING shard, epoch::text AS epoch, position::text AS position`;
const MOVE = `
UPDATE zmsg_progress SET position = $5, updated_at = now()
 WHERE log_id = $1 AND shard = $2 AND epoch = $3 AND position = $4`;
const READ = `
SELECT position::text AS position FROM zmsg_progress WHERE log_id = $1 AND shard = $2 AND epoch = $3`;
const DROP = 'DELETE FROM zmsg_progress WHERE log_id = $1';

/** Marks of a new log, all at 0. */
export async function createMarks(logId: string, shards: number, session: Session): Promise<void> {
  await session.query(CREATE, [logId, shards]);
}

/**
 * Takes the marks of these shards over: whoever held one before is fenced. Waits for a transaction of
 * the earlier owner's that has moved the mark and is not ended. By shard; one that has no mark is missing.
 */
export async function takeMarks(
  logId: string,
  shards: readonly number[],
  session: Session,
): Promise<Map<number, TakenMark>> {
  const { rows } = await session.query(TAKE, [logId, [...shards]]);
  const marks = new Map<number, TakenMark>();
  for (const { shard, epoch, position } of rows) {
    marks.set(shard as number, { epoch: BigInt(epoch as string), position: BigInt(position as string) });
  }
  return marks;
}

/** Takes one mark over. Throws `FencedError` if there is none. */
export async function takeMark({ logId, shard }: Mark, session: Session): Promise<TakenMark> {
  const taken = (await takeMarks(logId, [shard], session)).get(shard);
  if (taken === undefined) throw new FencedError(`shard ${shard} of log ${logId} has no progress mark`);
  return taken;
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

/** Forgets a log of which everything is applied. */
export async function dropMarks(logId: string, session: Session): Promise<void> {
  await session.query(DROP, [logId]);
}
