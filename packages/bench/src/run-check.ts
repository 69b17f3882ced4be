import { SCHEMA } from './result.js';

/** What is wrong with something that says it is a `BenchRun`. */
export interface RunCheck {
  /** Why it is none: a line each, with the path. */
  faults: string[];
  /** Paths where a number belongs and none came out. JSON writes NaN and Infinity as null. */
  holes: string[];
}

type Check = (value: unknown, path: string, found: RunCheck) => void;

const text: Check = (value, path, { faults }) => {
  if (typeof value !== 'string') faults.push(`${path} is no text`);
};

const flag: Check = (value, path, { faults }) => {
  if (typeof value !== 'boolean') faults.push(`${path} is neither true nor false`);
};

const numeric: Check = (value, path, { faults, holes }) => {
  if (value === null || (typeof value === 'number' && !Number.isFinite(value))) holes.push(path);
  else if (typeof value !== 'number') faults.push(`${path} is no number`);
};

const oneOf =
  (...allowed: readonly unknown[]): Check =>
  (value, path, { faults }) => {
    if (!allowed.includes(value)) faults.push(`${path} is none of ${allowed.join(', ')}`);
  };

const optional =
  (check: Check): Check =>
  (value, path, found) => {
    if (value !== undefined) check(value, path, found);
  };

const list =
  (check: Check): Check =>
  (value, path, found) => {
    if (!Array.isArray(value)) found.faults.push(`${path} is no list`);
    else for (const [at, item] of value.entries()) check(item, `${path}[${at}]`, found);
  };

/** Fields that it does not know are left alone: a newer minor addition is no reason to refuse a file. */
const object =
  (fields: Record<string, Check>): Check =>
  (value, path, found) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      found.faults.push(`${path === '' ? 'it' : path} is no object`);
      return;
    }
    for (const [name, check] of Object.entries(fields)) {
      check((value as Record<string, unknown>)[name], path === '' ? name : `${path}.${name}`, found);
    }
  };

const point: Check = (value, path, found) => {
  if (Array.isArray(value) && value.length === 2) list(numeric)(value, path, found);
  else found.faults.push(`${path} is no pair`);
};

const unit = oneOf('ns', 'ms', 's', '/s', '/ms', '×', '%', 'points', 'bytes', '');
const spread = object({ median: numeric, low: numeric, high: numeric });
const axis = object({ name: text, unit });
const contender = { name: text, does: text, ours: flag };

const run = object({
  schema: oneOf(SCHEMA),
  machine: object({
    cpu: text,
    cpus: numeric,
    memoryBytes: numeric,
    system: text,
    node: text,
    v8: text,
    commit: optional(text),
    startedAt: text,
  }),
  quick: flag,
  suites: list(
    object({
      name: text,
      title: text,
      contests: list(
        object({
          id: text,
          title: text,
          show: oneOf('time', 'rate'),
          standings: list(
            object({
              ...contender,
              operations: numeric,
              p50: numeric,
              p75: numeric,
              p99: numeric,
              ratio: spread,
            }),
          ),
        }),
      ),
      workloads: optional(
        list(
          object({
            id: text,
            title: text,
            runs: list(
              object({
                ...contender,
                offered: optional(numeric),
                throughput: spread,
                ratio: spread,
                latencyMs: object({ p50: numeric, p75: numeric, p99: numeric, p999: numeric, max: numeric }),
                hitRatio: optional(numeric),
                eventLoopDelayMs: object({ p50: numeric, p99: numeric, max: numeric }),
                gc: object({ pauses: numeric, totalMs: numeric, maxMs: numeric }),
                cpu: numeric,
                rssBytes: numeric,
                database: object({ statements: numeric, rows: numeric }),
                checked: text,
              }),
            ),
          }),
        ),
      ),
      curves: optional(
        list(
          object({
            id: text,
            title: text,
            x: axis,
            y: axis,
            series: list(object({ name: text, ours: flag, points: list(point) })),
          }),
        ),
      ),
      figures: optional(list(object({ id: text, name: text, value: numeric, unit, note: optional(text) }))),
      bars: optional(
        list(
          object({
            id: text,
            name: text,
            relation: oneOf('≥', '≤'),
            bound: numeric,
            measured: numeric,
            unit,
            met: flag,
          }),
        ),
      ),
    }),
  ),
});

export function checkRun(value: unknown): RunCheck {
  const found: RunCheck = { faults: [], holes: [] };
  run(value, '', found);
  return found;
}
