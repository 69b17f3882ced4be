import type { ZMsg } from '@zmsg/core';
import type { CheckLine } from './check.js';
import { ACTIONS, type Action, type Tally } from './tally.js';

/** Everything that a run found out: what the report prints, and what `--json` writes. */
export interface Results {
  /** Of the load, without what comes before and after it. */
  durationMs: number;
  interrupted: boolean;
  /** Posts that were there before the load, or were made for the keys of the trace. */
  insertedPosts: number;
  operations: number;
  operationsPerSecond: number;
  byAction: Record<Action, { done: number; failed: number }>;
  /** Who answered the reads; their sum is `reads`. */
  layers: {
    reads: number;
    l1: number;
    /** Undefined without Redis. */
    l2: number | undefined;
    /** Reads that joined a look-up of the same key that was under way. */
    joined: number;
    postgres: number;
    /** Keys that PostgreSQL was asked for came in this many queries. */
    loadQueries: number;
  };
  writes: {
    /** Likes, tags, extra and follows: what the shards aggregated. */
    logical: number;
    statements: number;
    /** BEGIN, COMMIT and progress marks. */
    overheadStatements: number;
    flushes: number;
    flushFailures: number;
    flushLatencyMs: { p50: number; p99: number; max: number };
    /** Posts, written at once: one statement each. */
    strong: number;
    /** From the end of the load until everything was committed. */
    lastFlushMs: number;
  };
  check: CheckLine[];
  passed: boolean;
}

export interface RunFacts {
  durationMs: number;
  lastFlushMs: number;
  interrupted: boolean;
  insertedPosts: number;
  check: CheckLine[];
}

/** Call it after the last flush. */
export function collectResults(facts: RunFacts, tally: Tally, stats: ReturnType<ZMsg['stats']>): Results {
  const { durationMs, lastFlushMs, interrupted, insertedPosts, check } = facts;
  const reads = tally.done.read;
  const l1 = Math.round(stats.l1HitRate * reads);
  const l2 = stats.l2 && Math.min(reads - l1, stats.l2.hits);
  const missed = reads - l1 - (l2 ?? 0);
  const postgres = Math.min(missed, stats.load.keys);
  const byAction = {} as Results['byAction'];
  for (const action of ACTIONS) byAction[action] = { done: tally.done[action], failed: tally.failed[action] };
  return {
    durationMs,
    interrupted,
    insertedPosts,
    operations: tally.operations,
    operationsPerSecond: tally.operations / (durationMs / 1000),
    byAction,
    layers: { reads, l1, l2, joined: missed - postgres, postgres, loadQueries: stats.load.queries },
    writes: {
      logical: stats.shards.operations,
      statements: stats.shards.statements,
      overheadStatements: stats.shards.overheadStatements,
      flushes: stats.shards.flushes,
      flushFailures: stats.shards.flushFailures,
      flushLatencyMs: stats.shards.flushLatencyMs,
      strong: tally.done.post,
      lastFlushMs,
    },
    check,
    passed: check.every((line) => line.passed),
  };
}
