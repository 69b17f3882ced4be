import type { SuiteResult } from '../result.js';
import type { LocalSuite } from '../suite.js';
import { coldStart } from '../workloads/cold-start.js';
import { feed } from '../workloads/feed.js';
import { replay } from '../workloads/replay.js';
import { Servers, type ServersOptions } from '../workloads/servers.js';
import { stampede } from '../workloads/stampede.js';
import { viral } from '../workloads/viral.js';
import type { Workload, WorkloadResult } from '../workloads/workload.js';

const WORKLOADS: readonly Workload[] = [feed, viral, coldStart, stampede, replay];

export const WORKLOAD_NAMES = WORKLOADS.map(({ name }) => name);

export interface WorkloadsOptions extends ServersOptions {
  /** Undefined: all. */
  workloads: readonly string[] | undefined;
  traces: readonly string[];
}

/**
 * Whole applications instead of single operations. With servers of its own rather than those of the stage, whose
 * engine would run beside the contenders, and whose PostgreSQL does not count statements.
 */
export function workloads({ workloads: chosen, traces, ...servers }: WorkloadsOptions): LocalSuite {
  return {
    name: 'workloads',
    async runLocally({ quick }): Promise<SuiteResult> {
      const results = await Servers.with(servers, async (started) => {
        const done: WorkloadResult[] = [];
        for (const workload of WORKLOADS.filter(({ name }) => chosen?.includes(name) ?? true)) {
          done.push(await workload.run(started, { quick, traces }));
        }
        return done;
      });
      return {
        name: 'workloads',
        title: 'Whole workloads',
        contests: [],
        workloads: results.flatMap(({ contests }) => contests),
        figures: results.flatMap(({ figures = [] }) => figures),
        bars: results.flatMap(({ bars = [] }) => bars),
      };
    },
  };
}
