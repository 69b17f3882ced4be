import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { LaneFate } from './lane.js';
import type { ProducerHandle } from './producer-handle.js';
import { ProducerMemory } from './producer-memory.js';
import type { Board } from './shard/board.js';
import type { InboxHandle } from './shard/inbox.js';

/** Where a producer is, and how it hears of its shards. */
export interface ProducerVoice {
  restarted(shard: number, fate: LaneFate, port: MessagePort): void;
}

interface Registered {
  readonly memory: ProducerMemory;
  readonly voice: ProducerVoice;
  /** Its thread writes no more: what is in the rings is the last of it. */
  isOrphan: boolean;
  /** Shards that read its ring. */
  readonly readers: Set<number>;
  onReleased: () => void;
}

export interface ProducersParts {
  readonly board: Board;
  readonly ringBytes: number;
  readonly register: (shard: number, inbox: InboxHandle) => void;
  /** The shard is to read the ring to its end, and forget it. */
  readonly orphan: (shard: number, producer: number) => void;
}

/**
 * All producers, of whichever thread.
 *
 * ```
 * open ── its thread writes no more ──▶ orphan ── every shard has read its ring to the end ──▶ released
 * ```
 */
export class Producers {
  readonly #parts: ProducersParts;
  readonly #registered = new Map<number, Registered>();
  /** As many as producers were registered at one time. */
  readonly #spare: ProducerMemory[] = [];
  /** Shards that were given up. */
  readonly #lost = new Set<number>();
  #nextId = 0;

  constructor(parts: ProducersParts) {
    this.#parts = parts;
  }

  /** Registers one more with all shards. An id is never used again: frames of the log name it. */
  open(voice: ProducerVoice): Pick<ProducerHandle, 'id' | 'bell' | 'account' | 'rings' | 'ports'> {
    const id = this.#nextId++;
    const { shards } = this.#parts.board;
    const memory = this.#spare.pop() ?? new ProducerMemory(shards, this.#parts.ringBytes);
    memory.issue(id);
    const readers = new Set<number>();
    this.#registered.set(id, { memory, voice, isOrphan: false, readers, onReleased: () => {} });
    const ports: MessagePort[] = [];
    for (let shard = 0; shard < shards; shard++) {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1);
      if (this.#lost.has(shard)) continue;
      readers.add(shard);
      this.#parts.register(shard, inboxOf(id, memory, shard, port2));
    }
    const { bell, account, rings } = memory;
    return { id, bell, account, rings, ports };
  }

  /** The producer's thread writes no more. Resolves when nothing of it is held any more. */
  release(id: number): Promise<void> {
    return new Promise((resolve) => {
      const registered = this.#registered.get(id) as Registered;
      registered.isOrphan = true;
      registered.onReleased = resolve;
      for (const shard of registered.readers) this.#parts.orphan(shard, id);
      this.#settle(id, registered);
    });
  }

  /** The shard has read the orphan's ring to its end. */
  released(shard: number, id: number): void {
    const registered = this.#registered.get(id);
    if (registered === undefined) return;
    registered.readers.delete(shard);
    this.#settle(id, registered);
  }

  /** The thread of a shard died: all get a new way back from the one that takes its place. */
  restarted(shard: number): InboxHandle[] {
    const inboxes: InboxHandle[] = [];
    for (const [id, { memory, voice, isOrphan, readers }] of this.#registered) {
      if (!readers.has(shard)) continue;
      const { port1, port2 } = new MessageChannel();
      const fate = memory.noteRestart(shard);
      if (isOrphan) port1.close();
      else voice.restarted(shard, fate, port1);
      inboxes.push({ ...inboxOf(id, memory, shard, port2), isOrphan });
    }
    return inboxes;
  }

  /** The shard is given up: nothing reads its rings any more. */
  lost(shard: number): void {
    this.#lost.add(shard);
    for (const [id, registered] of this.#registered) {
      registered.readers.delete(shard);
      this.#settle(id, registered);
    }
  }

  /** There are no shards any more. */
  close(): void {
    for (let shard = 0; shard < this.#parts.board.shards; shard++) this.lost(shard);
  }

  #settle(id: number, registered: Registered): void {
    const { memory, isOrphan, readers } = registered;
    if (!isOrphan || readers.size > 0) return;
    this.#registered.delete(id);
    const { operations, units, presses } = memory.leftOver;
    this.#parts.board.takeBack(operations, units, presses);
    memory.clear();
    this.#spare.push(memory);
    registered.onReleased();
  }
}

function inboxOf(producer: number, memory: ProducerMemory, shard: number, port: MessagePort): InboxHandle {
  return { producer, ring: memory.rings[shard] as SharedArrayBuffer, bell: memory.bell, port };
}
