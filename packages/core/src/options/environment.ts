import { ConfigError } from '../error.js';
import type { Entry } from './entry.js';
import { closest } from './hint.js';
import type { Setting } from './setting.js';
import { toSnakeCase } from './setting.js';
import { SETTING_NAMES, SETTINGS, type SettingName } from './settings.js';

const PREFIX = 'ZMSG_';
/** Variables for zmsg's own tests; the configuration leaves them alone. */
const RESERVED = ['ZMSG_FAILPOINTS', 'ZMSG_PROPERTY_', 'ZMSG_TEST_'];
const NAMES: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.map((name) => [PREFIX + toSnakeCase(name).toUpperCase(), name]),
);

/**
 * The settings among the environment variables. A variable that is set to nothing is not set, since
 * Compose files and shells pass on what is undefined as empty text.
 * @throws ConfigError naming an unknown `ZMSG_…` variable.
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Entry[] {
  const entries: Entry[] = [];
  for (const [key, text] of Object.entries(env)) {
    if (!key.startsWith(PREFIX) || RESERVED.some((prefix) => key.startsWith(prefix))) continue;
    const name = NAMES.get(key);
    if (name === undefined) {
      const hint = closest(
        key.slice(PREFIX.length),
        [...NAMES.keys()].map((each) => each.slice(PREFIX.length)),
      );
      const meant = hint === undefined ? '' : `; did you mean ${PREFIX}${hint}?`;
      throw new ConfigError(`unknown environment variable ${key}${meant}`, { key });
    }
    if (text === undefined || text === '') continue;
    const setting: Setting<unknown> = SETTINGS[name];
    entries.push({ name, key, origin: 'the environment', value: setting.reader.fromText(text) });
  }
  return entries;
}
