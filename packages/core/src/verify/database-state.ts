import type { Session } from '../store/store.js';
import type { OtherLog } from './verification.js';

export interface ReadMark {
  readonly epoch: number;
  readonly position: number;
}

/** What PostgreSQL knows of a log, and of others. */
export interface DatabaseState {
  readonly name: string;
  readonly takenAtMs: number;
  /** By shard. Undefined: there is no table of marks. */
  readonly marks: ReadonlyMap<number, ReadMark> | undefined;
  readonly otherLogs: readonly OtherLog[];
  readonly otherLogCount: number;
  readonly deadLetters: number | undefined;
  readonly delayedWrites: number | undefined;
}

const MAX_OTHER_LOGS = 100;

const HEAD = `
SELECT current_database()::text AS name, extract(epoch FROM now())::float8 * 1000 AS taken_at_ms,
       to_regclass('zmsg_progress') IS NOT NULL AS has_progress,
       to_regclass('zmsg_dead_letters') IS NOT NULL AS has_dead_letters,
       to_regclass('zmsg_operations') IS NOT NULL AS has_operations`;
const MARKS = `
SELECT shard, epoch::float8 AS epoch, position::float8 AS position FROM zmsg_progress WHERE log_id = $1::uuid`;
const OTHERS = `
SELECT log_id::text AS log_id, count(*)::int4 AS shards, extract(epoch FROM max(updated_at))::float8 * 1000 AS at,
       extract(epoch FROM now() - max(updated_at))::float8 * 1000 AS age, count(*) OVER ()::int4 AS logs
  FROM zmsg_progress WHERE log_id IS DISTINCT FROM $1::uuid
 GROUP BY log_id ORDER BY max(updated_at) DESC, log_id LIMIT ${MAX_OTHER_LOGS}`;

/** The first query of the transaction: what follows sees the same moment. */
export async function readDatabaseState(session: Session, logId: string | undefined): Promise<DatabaseState> {
  const [head] = (await session.exec<Head>(HEAD, [])).rows as [Head];
  const marks = new Map<number, ReadMark>();
  let others: OtherRow[] = [];
  if (head.has_progress) {
    const own = logId === undefined ? [] : (await session.exec<MarkRow>(MARKS, [logId])).rows;
    for (const { shard, epoch, position } of own) marks.set(shard, { epoch, position });
    others = (await session.exec<OtherRow>(OTHERS, [logId])).rows;
  }
  return {
    name: head.name,
    takenAtMs: Math.trunc(head.taken_at_ms),
    marks: head.has_progress ? marks : undefined,
    otherLogs: others.map(({ log_id, shards, at, age }) => ({
      logId: log_id,
      shards,
      updatedAtMs: Math.trunc(at),
      ageMs: Math.trunc(age),
    })),
    otherLogCount: others[0]?.logs ?? 0,
    deadLetters: head.has_dead_letters ? await count(session, 'zmsg_dead_letters') : undefined,
    delayedWrites: head.has_operations ? await count(session, 'zmsg_operations') : undefined,
  };
}

async function count(session: Session, table: 'zmsg_dead_letters' | 'zmsg_operations'): Promise<number> {
  const { rows } = await session.exec<{ n: number }>(`SELECT count(*)::float8 AS n FROM ${table}`, []);
  return rows[0]?.n ?? 0;
}

interface Head {
  name: string;
  taken_at_ms: number;
  has_progress: boolean;
  has_dead_letters: boolean;
  has_operations: boolean;
}

interface MarkRow {
  shard: number;
  epoch: number;
  position: number;
}

interface OtherRow {
  log_id: string;
  shards: number;
  at: number;
  age: number;
  logs: number;
}
