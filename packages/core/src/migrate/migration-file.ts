import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MigrationError } from '../error.js';

/** One migration, read and named. */
export interface MigrationFile {
  /** Base name of the file, or the name given with the text. */
  readonly name: string;
  /** Where it comes from, for messages. */
  readonly path: string;
  /**
   * The number in front of the name. Migrations without a number get a negative one from their name: it
   * identifies them and says nothing about their order.
   */
  readonly version: bigint;
  readonly text: string;
  /** SHA-256 of the text with `\n` line ends, in hex. */
  readonly checksum: string;
  readonly transactional: boolean;
}

const NUMBERED = /^(\d{1,18})_[^/\\]+\.sql$/;
const NO_TRANSACTION = /^--[ \t]*zmsg:[ \t]*no-transaction[ \t]*(?:\n|$)/;
const MAX_NAME_LENGTH = 200;

/** @throws MigrationError when the file cannot be read or is not UTF-8. */
export async function readMigrationFile(path: string): Promise<MigrationFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new MigrationError(`cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      file: path,
    });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new MigrationError(`${path} is not UTF-8`, { cause: error, file: path });
  }
  return describe(basename(path), path, text);
}

/**
 * The `NNN_name.sql` files of a directory. Files that do not end in `.sql`, and hidden ones, are not
 * migrations; a `.sql` file without a number is one that somebody misnamed.
 * @throws MigrationError for a directory that cannot be read and for misnamed files.
 */
export async function readMigrationDir(dir: string): Promise<MigrationFile[]> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    throw new MigrationError(`cannot read the directory ${dir}: ${(error as Error).message}`, {
      cause: error,
      file: dir,
    });
  }
  const files = names.filter((name) => /\.sql$/i.test(name) && !name.startsWith('.')).sort();
  for (const name of files) {
    if (!NUMBERED.test(name)) {
      const path = join(dir, name);
      throw new MigrationError(
        `${path} is misnamed: migrations are called NNN_name.sql, such as 001_posts.sql`,
        {
          file: path,
        },
      );
    }
  }
  return Promise.all(files.map((name) => readMigrationFile(join(dir, name))));
}

/** A migration from text; without a name it is named by its content, so that each text is applied once. */
export function migrationFromText(text: string, name?: string): MigrationFile {
  const given = name ?? `sql-${checksumOf(normalize(text)).slice(0, 16)}`;
  return describe(given, given, text);
}

function describe(name: string, path: string, source: string): MigrationFile {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || /\p{Cc}/u.test(name)) {
    throw new MigrationError(`${JSON.stringify(name)} cannot name a migration`, { file: path });
  }
  const text = normalize(source);
  const number = NUMBERED.exec(name)?.[1];
  return {
    name,
    path,
    version: number === undefined ? versionOfName(name) : BigInt(number),
    text,
    checksum: checksumOf(text),
    transactional: !NO_TRANSACTION.test(text),
  };
}

/** Editors and Git change line ends and byte order marks; that is not another migration. */
function normalize(text: string): string {
  return text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
}

function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** -1 to -2^63, from the first 63 bits of the name's SHA-256. */
function versionOfName(name: string): bigint {
  return -1n - (createHash('sha256').update(name).digest().readBigUInt64BE() >> 1n);
}
