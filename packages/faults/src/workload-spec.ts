import type { ZMsgOptions } from '@zmsg/core';

/** What a workload process is told, as JSON in its first argument. */
export interface WorkloadSpec {
  /** Number of the process within the scenario, from 1. */
  readonly run: number;
  readonly seed: number;
  readonly options: ZMsgOptions;
  /** Operations a second, at most; 0: open, drain the delay queue, flush and close. */
  readonly rate: number;
  /** Calls in flight, at most. */
  readonly inFlight: number;
  readonly poison: boolean;
  /** Size of the values of puts, at least. @default 0 */
  readonly putBytes?: number;
  /** Flush every so often, milliseconds; undefined: only at the end. */
  readonly flushEveryMs?: number;
}
