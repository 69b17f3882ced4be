import type { EngineStats } from '../stats.js';
import type { EncodedEvent } from './event-feed.js';

type Signal = AbortSignal | undefined;

/** What the owner of the engine asks of an attached thread, over its port. */
export type ThreadCalls = {
  /** Runs the thread's loader of the prefix. */
  load(
    signal: Signal,
    prefix: string,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, Uint8Array | string>>;
  /** The strong writes of this batch are committed: its periodic ones are to be submitted. */
  submitBatch(signal: Signal, id: number): Promise<undefined[]>;
  event(signal: Signal, event: EncodedEvent): void;
  stats(signal: Signal, stats: EngineStats): void;
  /** The engine closes: no new calls. */
  closing(signal: Signal): void;
};
