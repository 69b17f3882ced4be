import { readFileSync, statSync } from 'node:fs';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { ConfigError } from '../error.js';
import type { Entry } from './entry.js';
import { closest } from './hint.js';
import { toSnakeCase } from './setting.js';
import { SETTING_NAMES, type SettingName } from './settings.js';

const MAX_FILE_BYTES = 2 ** 20;
const NAMES: ReadonlyMap<string, SettingName> = new Map(
  SETTING_NAMES.map((name) => [toSnakeCase(name), name]),
);

/**
 * The settings of a YAML file, in the order of the file.
 * @throws ConfigError naming the file and line: unreadable, not YAML, unknown or duplicate keys.
 */
export function readYamlFile(file: string): Entry[] {
  const lineCounter = new LineCounter();
  const document = parseDocument(readText(file), {
    lineCounter,
    prettyErrors: false,
    uniqueKeys: true,
    // Warnings come back in the document; printing them is not for a library.
    logLevel: 'error',
  });
  const place = (offset: number) => `${file}:${lineCounter.linePos(offset).line}`;
  const problem = document.errors[0] ?? document.warnings[0];
  // Duplicate keys are told below, with their name.
  if (problem !== undefined && problem.code !== 'DUPLICATE_KEY') {
    throw new ConfigError(`${place(problem.pos[0])}: not valid YAML: ${withoutSource(problem.message)}`);
  }
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return [];
  if (!isMap(root)) throw new ConfigError(`${place(root.range?.[0] ?? 0)}: expected "key: value" lines`);

  const entries = new Map<SettingName, Entry>();
  for (const pair of root.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const origin = place((isNode(pair.key) && pair.key.range?.[0]) || 0);
    const name = NAMES.get(key);
    if (name === undefined) {
      const hint = closest(key, [...NAMES.keys()]);
      const meant = hint === undefined ? '' : `; did you mean ${hint}?`;
      throw new ConfigError(`${origin}: unknown key ${JSON.stringify(key.slice(0, 64))}${meant}`, { key });
    }
    const first = entries.get(name);
    if (first !== undefined) {
      throw new ConfigError(`${origin}: ${key} is given twice, first at ${first.origin}`, { key });
    }
    entries.set(name, { name, key, origin, value: jsValue(pair.value, document, { key, origin }) });
  }
  return [...entries.values()];
}

function jsValue(node: unknown, document: Document, at: { key: string; origin: string }): unknown {
  if (!isNode(node)) return null;
  try {
    return node.toJS(document);
  } catch {
    // Without the cause: it names the alias, and a password may begin with an asterisk.
    throw new ConfigError(
      `${at.origin}: ${at.key} holds an alias (*name) that cannot be resolved; quote it if it is text`,
      {
        key: at.key,
      },
    );
  }
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    // Checked first, so that a device or a huge file is not read at all.
    const stat = statSync(file);
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
      throw new Error(stat.isFile() ? `larger than ${MAX_FILE_BYTES} bytes` : 'not a file');
    }
    bytes = readFileSync(file);
  } catch (error) {
    throw new ConfigError(`cannot read the configuration file ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigError(`${file}: not valid UTF-8`, { cause: error });
  }
}

/** The parser quotes source text behind a colon or a backslash; it may be a part of a password. */
function withoutSource(message: string): string {
  return message.replace(/\s*[:\\].*$/s, '');
}
