import { existsSync } from 'node:fs';
import { LogError } from '@zmsg/workers';
import { inspectLog, type LogInspection, type Operation } from '@zmsg/workers/log';
import { ConfigError } from '../error.js';
import { resolveOptions } from '../options/resolve.js';
import { quoteTable } from '../sql/identifier.js';
import { ownerOf, walDir } from '../store/data-dir.js';
import { hasEmbedded } from '../store/embedded.js';
import { type StandaloneOptions, withStandaloneStore } from '../store/standalone-store.js';
import type { Session, Store } from '../store/store.js';
import { readDatabaseState } from './database-state.js';
import { readNodeLog } from './node-log.js';
import { PendingChanges } from './pending-changes.js';
import type { NodeVerification, Problem, VerifiedLog } from './verification.js';
import { verifyLedger } from './verify-ledger.js';

export interface VerifyOptions extends StandaloneOptions {
  /** The data directory. @default that of the configuration */
  readonly dataDir?: string | undefined;
  /** Table in which the application counted what was acknowledged. @default none */
  readonly ledger?: string | undefined;
}

/** A node that writes while it is read can look wrong once, but not twice in the same way. */
const MAX_LOOKS = 5;

/**
 * Holds a node's log, its progress marks and, if asked for, a ledger against each other. Takes no lock,
 * moves no mark and writes nothing: the node may be running, and the figures are then those of one moment.
 * The embedded PostgreSQL is the exception: it has one owner, so the node must not be running.
 *
 * @throws ConfigError when there is no such data directory, or the embedded PostgreSQL is in use or not
 * there; InvalidTaskError when `ledger` is no name of a table; StoreError when PostgreSQL or the ledger
 * cannot be read; LogError when the log changes faster than it can be read.
 */
export async function verifyNode({
  config,
  env = process.env,
  ...given
}: VerifyOptions): Promise<NodeVerification> {
  const { ledger } = given;
  if (ledger !== undefined) quoteTable(ledger);
  const options = {
    config,
    env: given.dataDir === undefined ? env : { ...env, ZMSG_DATA_DIR: given.dataDir },
  };
  const { dataDir, postgresDsn } = resolveOptions(config, options.env);
  if (!existsSync(dataDir)) throw new ConfigError(`there is no data_dir ${dataDir}`, { key: 'data_dir' });
  const runningPid = ownerOf(dataDir);
  if (postgresDsn === undefined) checkEmbedded(dataDir, runningPid);
  return withStandaloneStore(options, async (store) => ({
    dataDir,
    runningPid,
    ...(await look(store, walDir(dataDir), ledger)),
  }));
}

function checkEmbedded(dataDir: string, runningPid: number | undefined): void {
  if (runningPid !== undefined) {
    throw new ConfigError(
      `process ${runningPid} has the embedded PostgreSQL in ${dataDir} open, and only one process can: stop it, ` +
        'then verify; or give the DSN of the PostgreSQL that the node uses',
      { key: 'data_dir' },
    );
  }
  if (!hasEmbedded(dataDir)) {
    throw new ConfigError(`there is no postgres_dsn, and no embedded PostgreSQL in ${dataDir}`, {
      key: 'postgres_dsn',
    });
  }
}

type Look = Omit<NodeVerification, 'dataDir' | 'runningPid'>;

async function look(store: Store, wal: string, ledger: string | undefined): Promise<Look> {
  let known: ReadonlySet<string> = new Set();
  for (let n = 1; n <= MAX_LOOKS; n++) {
    const before = inspectLog(wal);
    const seen = await store.transaction(async (session) => {
      await session.exec('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY', []);
      return lookOnce(session, before, ledger, known);
    });
    if (!(seen instanceof Set)) return seen;
    known = seen;
  }
  throw new LogError(`the log in ${wal} changes faster than it can be read: try again when less is written`, {
    file: wal,
  });
}

/**
 * Looks at the log once more, after the database. Resolves with the problems if not all of them were
 * `known` before: then nothing is certain yet.
 */
async function lookOnce(
  session: Session,
  before: LogInspection,
  ledger: string | undefined,
  known: ReadonlySet<string>,
): Promise<Look | Set<string>> {
  const { dir: walDir, layout, fault } = before;
  const { name: database, marks, ...state } = await readDatabaseState(session, layout?.logId);
  const changes = new PendingChanges();
  const problems: Problem[] = [];
  if (fault !== undefined) problems.push({ kind: 'damage', shard: undefined, message: fault });
  let log: VerifiedLog | undefined;
  if (layout !== undefined) {
    const onPending = (operation: Operation, shard: number, position: number) => {
      if (ledger === undefined) return;
      changes.addOperation(operation, position <= (before.shards[shard]?.end ?? 0));
    };
    const read = readNodeLog({ walDir, layout, marks, interner: changes.interner, onPending });
    log = read.log;
    problems.push(...read.problems);
  }
  const found = new Set(problems.map((problem) => JSON.stringify(problem)));
  for (const problem of found) if (!known.has(problem)) return found;
  const hasDeadLetters = state.deadLetters !== undefined;
  const compared =
    ledger === undefined ? undefined : await verifyLedger(ledger, changes, session, { hasDeadLetters });
  const isBalanced = compared === undefined || compared.missing + compared.double + compared.invalid === 0;
  return { isOk: problems.length === 0 && isBalanced, database, ...state, log, problems, ledger: compared };
}
