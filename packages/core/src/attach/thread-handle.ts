import type { MessagePort } from 'node:worker_threads';
import type { AttachHandle } from '@zmsg/workers';
import type { SharedCacheHandle } from 'sharedarraybuffer-lru';
import type { BloomHandle } from '../bloom/bloom-bits.js';
import type { PulseHandle } from '../coherence/pulse.js';
import { ConfigError } from '../error.js';
import type { IdHandle } from '../ids/id-cell.js';

/**
 * The way of one thread to an engine of another: shared memory and ports. Opaque; for `attach` there, once.
 *
 * `attach()` without an argument looks for it in `workerData.zmsg`.
 */
export interface ThreadHandle {
  readonly kind: 'zmsg-thread';
  /** To the thread that opened the engine, for everything that is not in shared memory. */
  readonly port: MessagePort;
  readonly l1: SharedCacheHandle;
  readonly ids: IdHandle;
  readonly shards: AttachHandle;
  /** The Bloom filter's bits, if setting them is all it takes to announce a key. */
  readonly bloom: BloomHandle | undefined;
  /** Of the owner, without which L1 is not believed; undefined: there are no other nodes. */
  readonly pulse: PulseHandle | undefined;
  readonly options: {
    readonly bloomEnabled: boolean;
    readonly defaultTtlMs: number;
    readonly shutdownTimeoutMs: number;
    readonly idEpochMs: number;
  };
}

/** What `openThread` gives, in the shape that `new Worker(url, …)` takes. */
export interface ThreadLink {
  /** Structured-cloneable, together with `transferList`. */
  readonly handle: ThreadHandle;
  readonly transferList: MessagePort[];
  /** Takes the handle back: for a thread that could not be started. What a thread holds comes free when it ends. */
  release(): void;
}

/** @throws ConfigError for anything but a handle */
export function checkThreadHandle(given: unknown): asserts given is ThreadHandle {
  if (typeof given === 'object' && given !== null && 'kind' in given && given.kind === 'zmsg-thread') return;
  throw new ConfigError(
    'this thread was given no engine: start it with `const { handle, transferList } = zm.openThread()` and ' +
      '`new Worker(url, { workerData: { zmsg: handle }, transferList })`',
  );
}
