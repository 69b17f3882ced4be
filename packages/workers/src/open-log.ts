import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import pg from 'pg';
import { LogError, StoreError } from './error.js';
import { createMarks, dropMarks, type TakenMark, takeMarks } from './flush/progress.js';
import { type Session, toStoreError } from './flush/session.js';
import { createLayout, type LogLayout, readLayout, removeLayout } from './log/layout.js';
import { sequenceOf } from './log/segment-name.js';

const CONNECT_TIMEOUT_MS = 10_000;
/** Longer than a transaction of an earlier owner's may stand idle, which holds its mark. */
const QUERY_TIMEOUT_MS = 90_000;

/** A log that this process owns: nobody else can move its marks. */
export interface OwnedLog {
  readonly layout: LogLayout;
  /** By shard. */
  readonly marks: ReadonlyMap<number, TakenMark>;
}

/**
 * The log in `dir`, with all its progress marks taken over; a new one if there is none. Marks are made
 * before the layout, so a layout without marks belongs to another database.
 *
 * @throws LogError when the layout cannot be read, or there are records and the database has no marks for them
 * @throws StoreError
 */
export async function ownLog(dir: string, shards: number, connectionString: string): Promise<OwnedLog> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const layout = readLayout(dir);
  return withSession(connectionString, async (session) => {
    if (layout !== undefined) {
      const { logId } = layout;
      const marks = await takeMarks(logId, range(layout.shards), session);
      if (marks.size === layout.shards) return { layout, marks };
      if (hasSegments(dir)) {
        throw new LogError(
          `the database has no progress of the log in ${dir} (${logId}): it is not the database that this log was ` +
            `written for, or zmsg_progress was emptied. Start with the right database, or move the directory away`,
          { file: dir },
        );
      }
      removeLayout(dir);
    }
    const logId = randomUUID();
    await createMarks(logId, shards, session);
    const created = createLayout(dir, { logId, shards });
    return { layout: created, marks: await takeMarks(logId, range(shards), session) };
  });
}

/**
 * After everything is applied and the shards have deleted their segments: no trace is left. The files go
 * first; marks without a log do no harm, a log without marks would be refused.
 */
export async function disownLog(dir: string, { logId }: LogLayout, connectionString: string): Promise<void> {
  removeLayout(dir);
  await withSession(connectionString, (session) => dropMarks(logId, session));
}

async function withSession<T>(connectionString: string, body: (session: Session) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    application_name: 'zmsg log',
  });
  client.on('error', () => {}); // the query under way tells
  try {
    await client.connect();
    return await body(client);
  } catch (error) {
    throw error instanceof LogError || error instanceof StoreError ? error : toStoreError(error);
  } finally {
    // An error while saying goodbye changes nothing.
    await client.end().catch(() => {});
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function hasSegments(dir: string): boolean {
  const names = readdirSync(dir, { recursive: true }) as string[];
  return names.some((name) => sequenceOf(basename(name)) !== undefined);
}
