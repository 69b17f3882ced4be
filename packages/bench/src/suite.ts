import type { Rounds } from './contest.js';
import type { SuiteResult } from './result.js';
import type { Stage } from './stage.js';

export interface SuiteOptions extends Rounds {
  /** Little data, for finding out whether everything runs. */
  quick: boolean;
}

interface Named {
  name: string;
}

/** A suite that measures on real servers. */
export interface Suite extends Named {
  run: (stage: Stage, options: SuiteOptions) => Promise<SuiteResult>;
}

/** A suite that needs none. */
export interface LocalSuite extends Named {
  runLocally: (options: SuiteOptions) => Promise<SuiteResult>;
}
