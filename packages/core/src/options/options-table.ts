import { type Setting, toSnakeCase } from './setting.js';
import { SETTING_NAMES, SETTINGS } from './settings.js';

/** The table of all keys in Markdown, for the README: key, default, meaning. */
export function optionsTable(): string {
  const rows = SETTING_NAMES.map((name) => {
    const setting: Setting<unknown> = SETTINGS[name];
    const meaning =
      setting.unavailable === undefined ? setting.doc : `${setting.doc} Not yet: ${setting.unavailable}.`;
    return `| \`${toSnakeCase(name)}\` | ${defaultText(setting)} | ${meaning} |`;
  });
  return ['| key | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function defaultText(setting: Setting<unknown>): string {
  if (setting.defaultNote !== undefined) return setting.defaultNote;
  if (setting.default === undefined) return '–';
  return `\`${setting.default === '' ? '""' : setting.default}\``;
}
