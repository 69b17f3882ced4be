import type { BenchRun, SuiteResult } from '../result.js';
import { type Chart, svgFile } from './chart.js';
import { ChartFiles } from './chart-file.js';
import { contestChart } from './contest-chart.js';
import { curveChart } from './curve-chart.js';
import { duelsOf } from './duels.js';
import { overviewChart } from './overview-chart.js';
import { page } from './page.js';
import { throughputChart, workloadLatencyChart } from './workload-charts.js';

/** A chart, or a few, with the table of the same figures. */
export interface Drawn<T> {
  of: T;
  charts: Chart[];
}

export interface DrawnSuite {
  suite: SuiteResult;
  contests: Drawn<SuiteResult['contests'][number]>[];
  workloads: Drawn<NonNullable<SuiteResult['workloads']>[number]>[];
  curves: Drawn<NonNullable<SuiteResult['curves']>[number]>[];
}

/** The files of a report by name: `index.html`, which needs none of the others, and every chart. */
export function report(run: BenchRun): Map<string, string> {
  const files = new ChartFiles();
  const overview = overviewChart(duelsOf(run), files.nameFor('overview'));
  const suites = run.suites.map((suite) => draw(suite, files));
  const charts = [
    ...(overview === undefined ? [] : [overview]),
    ...suites.flatMap(({ contests, workloads, curves }) =>
      [...contests, ...workloads, ...curves].flatMap((drawn) => drawn.charts),
    ),
  ];
  return new Map([
    ['index.html', page(run, overview, suites)],
    ...charts.map((chart) => [`${chart.file}.svg`, svgFile(chart)] as const),
  ]);
}

function draw(suite: SuiteResult, files: ChartFiles): DrawnSuite {
  const { contests, workloads = [], curves = [] } = suite;
  return {
    suite,
    contests: contests.map((of) => ({ of, charts: present([contestChart(of, files.nameFor(of.id))]) })),
    workloads: workloads.map((of) => ({
      of,
      charts: present([
        throughputChart(of, files.nameFor(`${of.id}-throughput`)),
        workloadLatencyChart(of, files.nameFor(`${of.id}-latency`)),
      ]),
    })),
    curves: curves.map((of) => ({ of, charts: present([curveChart(of, files.nameFor(of.id))]) })),
  };
}

function present(charts: readonly (Chart | undefined)[]): Chart[] {
  return charts.filter((chart) => chart !== undefined);
}
