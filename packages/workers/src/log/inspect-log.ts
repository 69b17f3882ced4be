import { join } from 'node:path';
import { LogError } from '../error.js';
import { type LogLayout, readLayout, shardDir } from './layout.js';
import { listFiles, NODE_FILES } from './log-files.js';
import { type FoundSegment, readChain } from './segment-chain.js';
import { CUT } from './segment-name.js';

/** A log as it lies on disk. */
export interface LogInspection {
  readonly dir: string;
  /** Undefined if there is none, or it cannot be read. */
  readonly layout: LogLayout | undefined;
  /** What is wrong with the layout. Then the shards are not looked at. */
  readonly fault: string | undefined;
  readonly shards: readonly ShardInspection[];
}

export interface ShardInspection {
  readonly shard: number;
  /** Position of the last operation that can be read without a gap. */
  readonly end: number;
  readonly segments: readonly SegmentInspection[];
  /** Files that an operator cut off. */
  readonly cut: readonly string[];
  /** The directory cannot be read. */
  readonly fault: string | undefined;
}

export interface SegmentInspection {
  readonly file: string;
  readonly bytes: number;
  /** The run of the process that wrote it; undefined if its header cannot be read. */
  readonly run: number | undefined;
  /** Positions of the first and the last operation that count; undefined if there is none. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly frames: number;
  readonly operations: number;
  /**
   * `torn`: behind `offset` lies what was never written completely, which costs nothing that was reported
   * as synced. `corrupt`: what should be at `offset` is damaged. `void`: all of it was written again in a
   * later segment.
   */
  readonly state: 'ok' | 'torn' | 'corrupt' | 'void';
  /** Where its content ends. */
  readonly offset: number;
  readonly reason: string | undefined;
}

/** Reads the log in `walDir` and changes nothing. What is wrong with it is in the answer. */
export function inspectLog(walDir: string): LogInspection {
  let layout: LogLayout | undefined;
  try {
    layout = readLayout(walDir);
  } catch (error) {
    if (!(error instanceof LogError)) throw error;
    return { dir: walDir, layout, fault: error.message, shards: [] };
  }
  const shards: ShardInspection[] = [];
  for (let shard = 0; shard < (layout?.shards ?? 0); shard++) {
    shards.push(inspectShard(walDir, shard, layout as LogLayout));
  }
  return { dir: walDir, layout, fault: undefined, shards };
}

function inspectShard(walDir: string, shard: number, { logId }: LogLayout): ShardInspection {
  const dir = shardDir(walDir, shard);
  try {
    const found = readChain(dir, { logId, shard });
    const cut = listFiles(dir, NODE_FILES).filter((name) => name.includes(CUT));
    return {
      shard,
      end: endOf(found),
      segments: found.map(inspectSegment),
      cut: cut.map((name) => join(dir, name)),
      fault: undefined,
    };
  } catch (error) {
    return { shard, end: 0, segments: [], cut: [], fault: (error as Error).message };
  }
}

/** Behind a damaged place nothing counts. */
function endOf(found: readonly FoundSegment[]): number {
  let end = 0;
  for (const { header, last, limit, fault } of found) {
    if (header !== undefined) end = Math.max(end, Math.min(last, limit));
    if (fault?.state === 'corrupt') break;
  }
  return end;
}

function inspectSegment(found: FoundSegment): SegmentInspection {
  const { file, bytes, header, first, last, frames, operations, fault, end } = found;
  const isVoid = frames === 0 && found.limit !== Number.POSITIVE_INFINITY;
  return {
    file,
    bytes,
    run: header?.run,
    first,
    last: first === undefined ? undefined : last,
    frames,
    operations,
    state: fault?.state ?? (isVoid ? 'void' : 'ok'),
    offset: end,
    reason: fault?.reason,
  };
}
