import type { Rounds } from './contest.js';
import type { Stage } from './stage.js';

/** A line of a result: what was measured, and what it is compared with. */
export interface Figure {
  name: string;
  /** Already formatted, with its unit. */
  value: string;
  note?: string;
}

export interface SuiteResult {
  title: string;
  figures: Figure[];
  /** What the project promises of this suite, and whether this run kept it. */
  bars: { name: string; target: string; measured: string; met: boolean }[];
}

export interface SuiteOptions extends Rounds {
  quick: boolean;
}

/** A suite that measures on real servers. */
export interface Suite {
  name: string;
  run: (stage: Stage, options: SuiteOptions) => Promise<SuiteResult>;
}

/** A suite that needs none. */
export interface LocalSuite {
  name: string;
  runLocally: (options: SuiteOptions) => Promise<SuiteResult>;
}
