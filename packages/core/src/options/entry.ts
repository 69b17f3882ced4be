import { ConfigError } from '../error.js';
import { redactSecrets } from './redact-secrets.js';
import type { Setting } from './setting.js';
import type { SettingName, SettingValue } from './settings.js';
import { SETTINGS } from './settings.js';

/** One setting as it was found. */
export interface Entry {
  readonly name: SettingName;
  /** The key as it was written: `batch_size`, `ZMSG_BATCH_SIZE` or `batchSize`. */
  readonly key: string;
  /** Where: `zmsg.yaml:3`, `the environment`, `the options`. */
  readonly origin: string;
  readonly value: unknown;
}

/** @throws ConfigError when the value is not allowed. */
export function readEntry<N extends SettingName>(entry: Entry & { name: N }): SettingValue<N> {
  const setting: Setting<unknown> = SETTINGS[entry.name];
  if (setting.unavailable !== undefined) {
    throw entryError(entry, `has no effect: ${setting.unavailable}; remove it`);
  }
  const value = setting.reader.read(entry.value);
  if (value !== undefined) return value as SettingValue<N>;
  if (entry.value === null)
    throw entryError(entry, `has no value; give ${setting.reader.allowed}, or remove it`);
  const shown = setting.secret === true ? 'its value (not shown here)' : preview(entry.value);
  throw entryError(entry, `must be ${setting.reader.allowed}; ${shown} is not`);
}

export function entryError(entry: Pick<Entry, 'key' | 'origin'>, what: string): ConfigError {
  return new ConfigError(`${entry.key} ${what} (${entry.origin})`, { key: entry.key });
}

const MAX_PREVIEW_LENGTH = 80;

/** A value in one short line, without passwords. */
export function preview(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    // A cycle, or a toJSON that throws: what kind of value it is must do.
    return `a value of type ${typeof value}`;
  }
  // An address with a password may be broken in any place, so one with an @ is not shown at all.
  if (text.includes('@') && /:/.test(text)) return 'its value (not shown here)';
  const redacted = redactSecrets(text);
  return redacted.length > MAX_PREVIEW_LENGTH ? `${redacted.slice(0, MAX_PREVIEW_LENGTH)}…` : redacted;
}
