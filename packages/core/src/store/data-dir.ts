import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError } from '../error.js';

/** Ownership of a data directory. */
export interface DataDirLock {
  /** The directory, absolute. */
  readonly dir: string;
  /** Gives the directory up. Calling it again does nothing. */
  release(): void;
}

/** Everything that there is to know stands in the name, so the file is whole as soon as it exists. */
const OWNER_FILE = /^owner-(\d+)-([0-9a-z]+)-[0-9a-f]{16}\.lock$/;
const UNKNOWN_START = 'x';
const ATTEMPTS = 10;

interface Owner {
  file: string;
  pid: number;
}

/** Where in a data directory the write-ahead log is. */
export function walDir(dataDir: string): string {
  return join(dataDir, 'wal');
}

/**
 * Makes this process the only owner of `dir`, which is created (mode 0700) if need be.
 *
 * Each candidate creates a file of its own, `owner-<pid>-<start>-<random>.lock`, and then looks at the
 * others: one of a live process makes it withdraw. Of two candidates, whichever looks last sees the
 * other, so there are never two owners; the file of a dead process is deleted without a race, because
 * no name is ever used twice (taking over one shared file has a moment in which two believe that they
 * own it). Two that see each other both withdraw and try again after a random pause.
 *
 * A process is alive if its pid is in use with the same start time (on Linux; elsewhere the pid has to
 * do). Processes must see each other's pids: two containers do not, and must not share a directory.
 *
 * Blocks for up to about 100 ms when the directory is taken.
 * @throws ConfigError when a live process (also this one) owns the directory, or it cannot be written.
 */
export function lockDataDir(dir: string): DataDirLock {
  const path = resolve(dir);
  const file = `owner-${process.pid}-${startOf(process.pid)}-${randomBytes(8).toString('hex')}.lock`;
  for (let attempt = 1; ; attempt += 1) {
    let other: Owner | undefined;
    let created = false;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      closeSync(openSync(join(path, file), 'wx', 0o600));
      created = true;
      other = findOther(path, file);
    } catch (error) {
      if (created) rmSync(join(path, file), { force: true });
      throw new ConfigError(`data_dir ${path} cannot be used: ${(error as Error).message}`, {
        cause: error,
        key: 'data_dir',
      });
    }
    if (other === undefined) break;
    rmSync(join(path, file), { force: true });
    if (attempt === ATTEMPTS) throw taken(path, other);
    sleep(1 + Math.random() * 3 * attempt);
  }
  return { dir: path, release: () => rmSync(join(path, file), { force: true }) };
}

/** Pid of the live process that owns `dir`; undefined if none does. Changes nothing. */
export function ownerOf(dir: string): number | undefined {
  const matches = readdirSync(dir).map((file) => OWNER_FILE.exec(file));
  const live = matches.find(
    (match) => match !== null && isAlive(Number(match[1]), match[2] ?? UNKNOWN_START),
  );
  return live === undefined ? undefined : Number(live?.[1]);
}

/** The live owner beside `own`, if there is one. Files of dead ones are deleted in passing. */
function findOther(dir: string, own: string): Owner | undefined {
  for (const file of readdirSync(dir)) {
    const match = OWNER_FILE.exec(file);
    if (match === null || file === own) continue;
    const pid = Number(match[1]);
    if (isAlive(pid, match[2] ?? UNKNOWN_START)) return { file, pid };
    rmSync(join(dir, file), { force: true });
  }
  return undefined;
}

function taken(dir: string, owner: Owner): ConfigError {
  const who = owner.pid === process.pid ? `this process (pid ${owner.pid})` : `process ${owner.pid}`;
  return new ConfigError(
    `data_dir ${dir} is in use by ${who}; each node needs a directory of its own. If that process is not zmsg, delete ${join(dir, owner.file)}`,
    { key: 'data_dir' },
  );
}

function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else, whose /proc entry may be hidden.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM') return false;
  }
  const current = startOf(pid);
  return current === start || current === UNKNOWN_START || start === UNKNOWN_START;
}

/**
 * Boot and start time of a process, as one word; where the system does not tell, `UNKNOWN_START`. A
 * zombie is `gone`: it cannot write any more.
 */
function startOf(pid: number): string {
  if (process.platform !== 'linux') return UNKNOWN_START;
  let stat: string;
  let boot: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    // Gone since (the next attempt will see that), or a /proc that hides the processes of others.
    return UNKNOWN_START;
  }
  // The second field, the name, may hold spaces and parentheses; what follows its last ")" does not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  return state === 'Z' || state === 'X' ? 'gone' : `${boot.slice(0, 8)}${fields[19]}`;
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
