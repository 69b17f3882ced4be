import { InvalidValueError } from '@zmsg/workers';
import { BOUNDS } from '../coherence/bounds.js';
import { checkKey, typeOf } from '../key.js';
import type { StandaloneOptions } from '../store/standalone-store.js';
import type { AuditBounds } from './auditor.js';

export interface AuditOptions extends StandaloneOptions {
  /** Keys that are looked at first, however long it takes. @default none */
  readonly keys?: readonly string[] | undefined;
  /** Further keys, drawn at random from what nodes and L2 have; 0 to 100,000,000. @default 1000 */
  readonly samples?: number | undefined;
  /** Longest time in which keys are drawn, milliseconds. @default 30000 */
  readonly samplingMs?: number | undefined;
  /** Most looks at a key per second, 1 to 10,000: each costs a node some microseconds. @default 200 */
  readonly rate?: number | undefined;
  /**
   * A copy that is stale for longer is an inconsistency, milliseconds. @default 4000: what the engine promises
   * whatever fails
   */
  readonly boundMs?: number | undefined;
  /** Before a difference is looked at again, milliseconds: writes under way are over by then. @default 100 */
  readonly settleMs?: number | undefined;
  /** Longest time that a difference is followed, milliseconds; at least `boundMs`. @default 10000 */
  readonly followMs?: number | undefined;
  /**
   * Keys with these prefixes (`''`: all) are cached as their loaders build them, byte for byte. Else copies
   * that are all alike are not called stale unless a loader put them into L2. @default none
   */
  readonly exactPrefixes?: readonly string[] | undefined;
  /** Longest wait for an answer of nodes, Redis or PostgreSQL's list of nodes, milliseconds. @default 2000 */
  readonly timeoutMs?: number | undefined;
}

export interface ResolvedAuditOptions extends AuditBounds {
  readonly timeoutMs: number;
}

const MAX_MS = 2 ** 31 - 1;

const DEFAULTS = Object.freeze({
  samples: 1_000,
  samplingMs: 30_000,
  rate: 200,
  boundMs: BOUNDS.lookMs + BOUNDS.silentMs + BOUNDS.doubtTtlMs,
  settleMs: 100,
  followMs: 10_000,
  timeoutMs: 2_000,
});

/** @throws InvalidKeyError, InvalidValueError that names the option */
export function resolveAuditOptions(given: AuditOptions): ResolvedAuditOptions {
  for (const key of given.keys ?? []) checkKey(key);
  const boundMs = inRange(given, 'boundMs', 1, MAX_MS);
  return {
    keys: given.keys ?? [],
    samples: inRange(given, 'samples', 0, 100_000_000),
    samplingMs: inRange(given, 'samplingMs', 0, MAX_MS),
    rate: inRange(given, 'rate', 1, 10_000),
    boundMs,
    settleMs: inRange(given, 'settleMs', 1, MAX_MS),
    // What is to be called older than the bound must be seen for so long.
    followMs: Math.max(inRange(given, 'followMs', 1, MAX_MS), Math.min(MAX_MS, boundMs * 1.25)),
    exactPrefixes: given.exactPrefixes ?? [],
    timeoutMs: inRange(given, 'timeoutMs', 1, MAX_MS),
  };
}

function inRange(options: AuditOptions, name: keyof typeof DEFAULTS, min: number, max: number): number {
  const value = options[name] ?? DEFAULTS[name];
  if (typeof value === 'number' && value >= min && value <= max) return value;
  const shown = typeof value === 'number' ? String(value) : typeOf(value);
  throw new InvalidValueError(`${name} must be a number from ${min} to ${max}, not ${shown}`);
}
