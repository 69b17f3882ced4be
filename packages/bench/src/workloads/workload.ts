import type { Bar, Figure, WorkloadContest } from '../result.js';
import type { Servers } from './servers.js';

export interface WorkloadOptions {
  /** Little data and short rounds. */
  quick: boolean;
  /** Trace files to replay; a generated load when there are none. */
  traces: readonly string[];
}

export interface WorkloadResult {
  contests: WorkloadContest[];
  figures?: Figure[];
  bars?: Bar[];
}

export interface Workload {
  name: string;
  run: (servers: Servers, options: WorkloadOptions) => Promise<WorkloadResult>;
}

export const MIB = 1_048_576;
/** Operations in flight where as much is done as goes. */
export const WIDTH = 256;
/** Exponent of Zipf's law, as in the YCSB. */
export const SKEW = 0.99;
