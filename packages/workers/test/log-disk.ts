import { basename, dirname } from 'node:path';
import type { LogFiles } from '../dist/log/log-files.js';

const SECTOR = 512;

/** A file: what programs see, what is on the platter, and which sectors the next fsync will write. */
interface Inode {
  cached: Buffer;
  durable: Buffer;
  dirty: Set<number>;
}

export type DiskCall = 'open' | 'read' | 'write' | 'fsync' | 'rename' | 'unlink';

/**
 * A disk in memory that loses power: of what was not synced, each sector and each name is kept or lost
 * at random. An fsync that fails drops what it should have written, as Linux does: the pages stay
 * readable and count as clean, so the next fsync succeeds without them.
 */
export class LogDisk {
  /** Returns the errno code with which a call is to fail. */
  fault: (call: DiskCall, path: string) => string | undefined = () => undefined;
  /** Bytes that a write takes at most. */
  maxWrite = Number.POSITIVE_INFINITY;
  readonly files = this.#files();
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  readonly #open = new Map<number, { path: string; inode: Inode | undefined }>();
  #nextFd = 100;

  get openFiles(): number {
    return this.#open.size;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  content(path: string): Buffer {
    return this.#inode(path).cached;
  }

  /** Replaces a file's content, for good. */
  put(path: string, content: Buffer): void {
    const inode = { cached: Buffer.from(content), durable: Buffer.from(content), dirty: new Set<number>() };
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  remove(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** The process dies: its file handles are gone, the system keeps the rest. */
  kill(): void {
    this.#open.clear();
  }

  /** Power loss. `keeps` decides for each sector and name that was not synced. */
  crash(keeps: () => boolean): void {
    this.#open.clear();
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (this.#names.get(path) === this.#durableNames.get(path)) continue;
      const from = keeps() ? this.#names : this.#durableNames;
      const to = from === this.#names ? this.#durableNames : this.#names;
      const inode = from.get(path);
      if (inode === undefined) to.delete(path);
      else to.set(path, inode);
    }
    for (const inode of new Set(this.#names.values())) {
      for (const sector of inode.dirty) if (keeps()) writeBack(inode, sector);
      inode.dirty.clear();
      inode.cached = Buffer.from(inode.durable);
    }
  }

  clone(): LogDisk {
    const disk = new LogDisk();
    for (const [path, { cached }] of this.#names) disk.put(path, cached);
    return disk;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw errno('ENOENT');
    return inode;
  }

  #check(call: DiskCall, path: string): void {
    const code = this.fault(call, path);
    if (code !== undefined) throw errno(code);
  }

  #sync(fd: number): void {
    const { path, inode } = this.#open.get(fd) as { path: string; inode: Inode | undefined };
    if (inode === undefined) {
      this.#check('fsync', path);
      for (const name of [...this.#durableNames.keys()]) {
        if (dirname(name) === path && !this.#names.has(name)) this.#durableNames.delete(name);
      }
      for (const [name, entry] of this.#names)
        if (dirname(name) === path) this.#durableNames.set(name, entry);
      return;
    }
    try {
      this.#check('fsync', path);
      for (const sector of inode.dirty) writeBack(inode, sector);
    } finally {
      inode.dirty.clear();
    }
  }

  #files(): LogFiles {
    const files = {
      mkdirSync: () => undefined,
      rmdirSync: () => undefined,
      readdirSync: (dir: string) =>
        [...this.#names.keys()].filter((path) => dirname(path) === dir).map((path) => basename(path)),
      readFileSync: (path: string) => {
        this.#check('read', path);
        return Buffer.from(this.#inode(path).cached);
      },
      openSync: (path: string, flags: string) => {
        this.#check('open', path);
        if (flags === 'wx') {
          if (this.#names.has(path)) throw errno('EEXIST');
          this.#names.set(path, { cached: Buffer.alloc(0), durable: Buffer.alloc(0), dirty: new Set() });
        } else if (flags === 'r+') {
          this.#inode(path);
        }
        this.#open.set(this.#nextFd, { path, inode: this.#names.get(path) });
        return this.#nextFd++;
      },
      closeSync: (fd: number) => void this.#open.delete(fd),
      writeSync: (fd: number, bytes: Buffer, offset: number, length: number, position: number) => {
        const { path, inode } = this.#open.get(fd) as { path: string; inode: Inode };
        const taken = Math.min(length, this.maxWrite);
        write(inode, bytes.subarray(offset, offset + taken), position);
        this.#check('write', path);
        return taken;
      },
      fsyncSync: (fd: number) => this.#sync(fd),
      fdatasyncSync: (fd: number) => this.#sync(fd),
      ftruncateSync: (fd: number, length: number) => {
        const { inode } = this.#open.get(fd) as { inode: Inode };
        inode.cached = Buffer.from(inode.cached.subarray(0, length));
        inode.durable = Buffer.from(inode.durable.subarray(0, length));
      },
      renameSync: (from: string, to: string) => {
        this.#check('rename', to);
        const inode = this.#inode(from);
        this.#names.delete(from);
        this.#names.set(to, inode);
      },
      unlinkSync: (path: string) => {
        this.#inode(path);
        this.#check('unlink', path);
        this.#names.delete(path);
      },
    };
    return files as unknown as LogFiles;
  }
}

function write(inode: Inode, bytes: Buffer, position: number): void {
  const end = position + bytes.length;
  if (end > inode.cached.length) {
    inode.cached = Buffer.concat([inode.cached, Buffer.alloc(end - inode.cached.length)]);
  }
  bytes.copy(inode.cached, position);
  for (let sector = Math.floor(position / SECTOR); sector * SECTOR < end; sector++) inode.dirty.add(sector);
}

function writeBack(inode: Inode, sector: number): void {
  const start = sector * SECTOR;
  const end = Math.min(start + SECTOR, inode.cached.length);
  const missing = inode.cached.length - inode.durable.length;
  if (missing > 0) inode.durable = Buffer.concat([inode.durable, Buffer.alloc(missing)]);
  inode.cached.copy(inode.durable, start, start, end);
}

function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
