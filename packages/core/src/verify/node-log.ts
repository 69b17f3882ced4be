import {
  type LogLayout,
  type Operation,
  type PendingLog,
  readPendingLog,
  type ShapeInterner,
} from '@zmsg/workers/log';
import type { ReadMark } from './database-state.js';
import type { Problem, VerifiedLog } from './verification.js';

export interface NodeLogOptions {
  readonly walDir: string;
  readonly layout: LogLayout;
  /** Undefined: the database has no table of marks. */
  readonly marks: ReadonlyMap<number, ReadMark> | undefined;
  readonly interner: ShapeInterner;
  /** Called for each operation behind a mark. */
  readonly onPending: (operation: Operation, shard: number, position: number) => void;
}

/** Reads all shards of a log and holds them against their marks. */
export function readNodeLog(options: NodeLogOptions): { log: VerifiedLog; problems: Problem[] } {
  const { walDir, layout, marks, interner, onPending } = options;
  const { logId, createdAt } = layout;
  const problems: Problem[] = [];
  const unmarked: number[] = [];
  let hasSegments = false;
  const shards = Array.from({ length: layout.shards }, (_, shard) => {
    const mark = marks?.get(shard);
    let found: PendingLog | undefined;
    try {
      found = readPendingLog({
        walDir,
        logId,
        shard,
        after: mark?.position ?? 0,
        interner,
        // Without a mark nobody knows which of them are applied.
        onOperation: mark && ((operation, position) => onPending(operation, shard, position)),
      });
    } catch (error) {
      problems.push({ kind: 'damage', shard, message: `cannot be read: ${(error as Error).message}` });
    }
    hasSegments ||= found === undefined || found.hasSegments;
    if (mark === undefined) unmarked.push(shard);
    for (const { file, offset, reason } of found?.damages ?? []) {
      problems.push({ kind: 'damage', shard, message: `${file} at ${offset}: ${reason}` });
    }
    for (const { from, to, file } of mark === undefined ? [] : (found?.gaps ?? [])) {
      const message = `operations ${from} to ${to} are neither in PostgreSQL nor in the log: ${file} begins behind them`;
      problems.push({ kind: 'gap', shard, message });
    }
    const pending = found?.operations ?? 0;
    return { shard, end: found?.end ?? 0, mark: mark?.position, epoch: mark?.epoch, pending };
  });
  // A log without operations and marks is replaced by a new one at the next start.
  if (hasSegments) problems.push(...unmarkedProblems(unmarked, layout, marks !== undefined));
  const pending = shards.reduce((sum, shard) => sum + shard.pending, 0);
  return { log: { logId, createdAt, shards, pending }, problems };
}

function unmarkedProblems(
  unmarked: readonly number[],
  { logId, shards }: LogLayout,
  hasTable: boolean,
): Problem[] {
  if (unmarked.length < shards) {
    const message =
      'PostgreSQL has no progress mark of this shard: what of its log is applied cannot be told';
    return unmarked.map((shard) => ({ kind: 'mark missing', shard, message }));
  }
  const what = hasTable ? `no progress mark of log ${logId}` : 'no table zmsg_progress';
  const message = `the database has ${what}: it is not the one that this log was written for, or it was emptied`;
  return [{ kind: 'other database', shard: undefined, message }];
}
