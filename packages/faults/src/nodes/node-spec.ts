import type { ZMsgOptions } from '@zmsg/core';

/** What a node process is told, as JSON in its first argument. */
export interface NodeSpec {
  /** Number of the process within the run, from 1. */
  readonly process: number;
  /** Its place in the fleet: a restarted node has the one of before. */
  readonly slot: number;
  readonly slots: number;
  readonly seed: number;
  readonly options: ZMsgOptions;
  /** Reads and writes a second, at most. */
  readonly readRate: number;
  readonly writeRate: number;
}

export type NodeCommand =
  /** End by SIGKILL when the next strong write is committed, before the engine hears of it. */
  | 'die after commit'
  /** No calls until `go on`. */
  | 'rest'
  | 'go on'
  /** No more calls; close, and end. */
  | 'stop';

/** Totals of a process so far. */
export interface NodeCounts {
  readonly l2Hits: number;
  readonly loads: number;
  /** Looks at its state, and how many of them found that it hears all others. */
  readonly looks: number;
  readonly trusted: number;
  /** Codes of calls that were rejected. */
  readonly rejected: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
}

export type NodeMessage = { readonly opened: true } | { readonly counts: NodeCounts };
