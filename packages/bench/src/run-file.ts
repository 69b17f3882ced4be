import { readFileSync, writeFileSync } from 'node:fs';
import { type BenchRun, SCHEMA } from './result.js';
import { checkRun } from './run-check.js';

/** A file that holds no run of this benchmark; the message names it. */
export class RunFileError extends Error {
  constructor(file: string, why: string) {
    super(`${file} holds no figures of this benchmark: ${why}`);
    this.name = 'RunFileError';
  }
}

/**
 * Numbers that the file does not have (JSON knows no NaN) are NaN again, so that whoever computes with them gets
 * no number either, instead of a zero.
 * @throws RunFileError
 */
export function readRun(file: string): BenchRun {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new RunFileError(file, (error as Error).message);
  }
  // First of all: of another schema everything else may be different.
  const schema = (value as Partial<BenchRun> | null)?.schema;
  if (schema !== SCHEMA) throw new RunFileError(file, `its schema is ${schema}, not ${SCHEMA}`);
  const { faults } = checkRun(value);
  if (faults.length > 0) throw new RunFileError(file, faults.slice(0, 3).join('; '));
  return withHoles(value) as BenchRun;
}

/** An hour of measuring is not thrown away for one NaN: it becomes null, and NaN again when read. */
export function writeRun(file: string, run: BenchRun): void {
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`);
}

/** The schema has no null of its own. */
function withHoles(value: unknown): unknown {
  if (value === null) return Number.NaN;
  if (Array.isArray(value)) return value.map(withHoles);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withHoles(each)]));
}
