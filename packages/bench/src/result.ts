/*
 * What a run of the benchmarks measured, as numbers: the text on the screen, the JSON file, the report and the
 * comparison of two runs are all made from it. Times are nanoseconds unless their unit says otherwise.
 */

/** Counted up when a reader of older files would misread newer ones. */
export const SCHEMA = 1;

export interface BenchRun {
  schema: typeof SCHEMA;
  machine: Machine;
  /** Short rounds on little data: good for finding out whether everything runs, not for figures. */
  quick: boolean;
  suites: SuiteResult[];
}

export interface Machine {
  cpu: string;
  cpus: number;
  memoryBytes: number;
  /** `linux 6.1.0 x64` */
  system: string;
  node: string;
  v8: string;
  /** Hash of the commit, with `+` if files were changed since; undefined outside of a checkout. */
  commit?: string | undefined;
  /** ISO 8601. */
  startedAt: string;
}

export interface SuiteResult {
  /** As in `--only`. */
  name: string;
  title: string;
  contests: Contest[];
  workloads?: WorkloadContest[];
  curves?: Curve[];
  figures?: Figure[];
  bars?: Bar[];
}

/** Several ways to do one piece of work, measured in turns. */
export interface Contest {
  /** Unique in a run, and the same in every run: `reads.hit`. */
  id: string;
  title: string;
  /** How the figures are best read: time of one operation, or operations per second. */
  show: 'time' | 'rate';
  standings: Standing[];
}

export interface Standing {
  name: string;
  /** What has happened when the call has answered, so that nobody compares promises of different worth. */
  does: string;
  /** Of this project; the others are what a user would pick instead. */
  ours: boolean;
  /** Operations in one sample: percentiles are those of samples, not of single operations, where it is above 1. */
  operations: number;
  /** Nanoseconds per operation: medians over the rounds. */
  p50: number;
  p75: number;
  p99: number;
  /**
   * Its time against that of the first of ours, round by round: above 1, zmsg is faster. Median, and the lowest
   * and highest of the rounds.
   */
  ratio: Spread;
}

export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** One load of a whole application, carried by several ways to build it. */
export interface WorkloadContest {
  id: string;
  title: string;
  runs: WorkloadRun[];
}

export interface WorkloadRun {
  name: string;
  does: string;
  ours: boolean;
  /** Operations a second that were asked for, at times of a schedule that waits for nobody; undefined: as many as go. */
  offered?: number;
  /** Operations a second that were answered. */
  throughput: Spread;
  /** Against the first of ours: above 1, zmsg does more. */
  ratio: Spread;
  /** From the time of the schedule (not of the call) to the answer, milliseconds. */
  latencyMs: { p50: number; p75: number; p99: number; p999: number; max: number };
  /** Of reads, that needed no database, 0 to 1. */
  hitRatio?: number;
  eventLoopDelayMs: { p50: number; p99: number; max: number };
  gc: { pauses: number; totalMs: number; maxMs: number };
  /** Seconds of processor time of this process per second. */
  cpu: number;
  rssBytes: number;
  database: { statements: number; rows: number };
  /** What was checked after the run, in words. */
  checked: string;
}

/** How a cost grows with the work. */
export interface Curve {
  id: string;
  title: string;
  x: Axis;
  y: Axis;
  series: { name: string; ours: boolean; points: [x: number, y: number][] }[];
}

export interface Axis {
  name: string;
  unit: Unit;
}

/** A single number beside the contests. */
export interface Figure {
  id: string;
  name: string;
  value: number;
  unit: Unit;
  note?: string;
}

/** A promise of the project, and whether this run kept it. */
export interface Bar {
  id: string;
  name: string;
  relation: '≥' | '≤';
  bound: number;
  measured: number;
  unit: Unit;
  met: boolean;
}

export type Unit = 'ns' | 'ms' | 's' | '/s' | '/ms' | '×' | '%' | 'points' | 'bytes' | '';
