import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { lockDataDir } from '../dist/store/data-dir.js';

const root = mkdtempSync(join(tmpdir(), 'zmsg-data-dir-'));
let counter = 0;
const newDir = () => join(root, `${counter++}`, 'data');
const children: ChildProcess[] = [];
const url = new URL('../dist/store/data-dir.js', import.meta.url).href;

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A process that takes the lock, says `held` or the error's code and message, and then reads stdin. */
function contender(dir: string, before = '') {
  const program = `import { lockDataDir } from ${JSON.stringify(url)};
    ${before}
    let lock;
    try { lock = lockDataDir(${JSON.stringify(dir)}); console.log('held'); }
    catch (error) { console.log(error.code + ' ' + error.message); process.exit(); }
    process.stdin.once('data', () => { lock.release(); console.log('released'); process.exit(); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, line: async () => (await lines.next()).value as string };
}

const owners = (dir: string) => readdirSync(dir).filter((name) => name.startsWith('owner-'));

test('the directory is created for its owner only', () => {
  const dir = newDir();
  const lock = lockDataDir(dir);
  expect(lock.dir).toBe(dir);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  lock.release();
  expect(readdirSync(dir)).toEqual([]);
});

test('a second opener in the same process is told the directory and the pid', () => {
  const dir = newDir();
  const lock = lockDataDir(dir);
  expect(() => lockDataDir(`${dir}/../data/`)).toThrow(
    expect.objectContaining({
      code: 'CONFIG',
      key: 'data_dir',
      message: expect.stringContaining(`this process (pid ${process.pid})`),
    }),
  );
  expect(() => lockDataDir(dir)).toThrow(dir);
  lock.release();
  lock.release();
  lockDataDir(dir).release();
});

test('a late second release does not give away what somebody else has taken', () => {
  const dir = newDir();
  const first = lockDataDir(dir);
  first.release();
  const second = lockDataDir(dir);
  first.release();
  expect(() => lockDataDir(dir)).toThrow('in use');
  second.release();
});

test('another process is told the pid of the owner, and gets the directory after the release', async () => {
  const dir = newDir();
  const owner = contender(dir);
  expect(await owner.line()).toBe('held');
  expect(() => lockDataDir(dir)).toThrow(`process ${owner.child.pid};`);
  owner.child.stdin.write('\n');
  expect(await owner.line()).toBe('released');
  lockDataDir(dir).release();
});

test('the lock of a process that was killed is taken over', async () => {
  const dir = newDir();
  const owner = contender(dir);
  expect(await owner.line()).toBe('held');
  owner.child.kill('SIGKILL');
  await once(owner.child, 'exit');
  expect(owners(dir)).toHaveLength(1);
  const lock = lockDataDir(dir);
  expect(owners(dir)).toHaveLength(1);
  lock.release();
});

test.runIf(process.platform === 'linux')(
  'the lock of a dead process whose pid was given to another one is taken over',
  () => {
    const dir = newDir();
    const lock = lockDataDir(dir);
    const [name = ''] = owners(dir);
    lock.release();
    const [, pid, start] = name.split('-');
    expect(start).toMatch(/^[0-9a-f]{8}\d+$/);
    writeFileSync(join(dir, `owner-${pid}-${start}9-0123456789abcdef.lock`), '');
    lockDataDir(dir).release();
    expect(owners(dir)).toEqual([]);
  },
);

test.runIf(process.platform === 'linux')('a zombie does not own a directory', async () => {
  const dir = newDir();
  // The shell's child dies and is never waited for: exec replaces the shell by a process that knows nothing of it.
  const program = `import { lockDataDir } from ${JSON.stringify(url)}; lockDataDir(${JSON.stringify(dir)}); console.log('held'); process.kill(process.pid, 'SIGKILL');`;
  const shell = spawn(
    'sh',
    ['-c', `"$0" --input-type=module -e "$1" & exec tail -f /dev/null`, process.execPath, program],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  children.push(shell);
  const [line] = await once(createInterface({ input: shell.stdout }), 'line');
  expect(line).toBe('held');
  await expect
    .poll(() => {
      const lock = lockDataDir(dir);
      lock.release();
      return true;
    })
    .toBe(true);
});

test('of many processes that find a stale lock at the same moment exactly one gets the directory', async () => {
  for (let round = 0; round < 3; round += 1) {
    const dir = newDir();
    const dead = contender(dir);
    expect(await dead.line()).toBe('held');
    dead.child.kill('SIGKILL');
    await once(dead.child, 'exit');
    const start = Date.now() + 1500;
    const rivals = Array.from({ length: 6 }, () => contender(dir, `while (Date.now() < ${start});`));
    const answers = await Promise.all(rivals.map((rival) => rival.line()));
    expect(answers.filter((answer) => answer === 'held')).toHaveLength(1);
    expect(answers.filter((answer) => answer.startsWith('CONFIG'))).toHaveLength(5);
    expect(owners(dir)).toHaveLength(1);
    for (const rival of rivals) rival.child.kill('SIGKILL');
  }
});

test('files of other names are left alone', () => {
  const dir = newDir();
  lockDataDir(dir).release();
  for (const name of ['owner-x.lock', 'owner-1-2-3.lock', 'notes.txt']) writeFileSync(join(dir, name), '');
  lockDataDir(dir).release();
  expect(readdirSync(dir)).toHaveLength(3);
});

test('a path that cannot be a directory is a ConfigError', () => {
  const file = join(root, 'file');
  writeFileSync(file, '');
  for (const path of [file, join(file, 'below')]) {
    expect(() => lockDataDir(path)).toThrow(
      expect.objectContaining({ code: 'CONFIG', message: expect.stringContaining(path) }),
    );
  }
  rmSync(root, { recursive: true, force: true });
});
