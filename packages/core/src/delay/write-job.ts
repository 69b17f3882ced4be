import type { DelayEvent, FailedWrite } from './delay-queue.js';
import { type DelayedWrite, decodeDelayedWrite } from './delayed-write.js';
import type { Applied } from './delayed-writer.js';

/** What both backends keep for a job. */
export interface JobData {
  write: string;
}

/** Applies a write; a `DelayedWriter`. */
export interface WriteTarget {
  apply(write: DelayedWrite): Promise<Applied>;
}

/** Runs one delivery and reports it; rejects with what the write failed with. */
export async function runWriteJob(
  data: unknown,
  target: WriteTarget,
  onEvent: (event: DelayEvent) => void,
): Promise<void> {
  const write = decodeDelayedWrite((data as JobData | null)?.write);
  const applied = await target.apply(write);
  const about = { id: write.operationId, key: write.key };
  if (applied.outcome === 'duplicate') onEvent({ type: 'delay:job:duplicate', ...about });
  else onEvent({ type: 'delay:job:applied', ...about, rowCount: applied.rowCount });
}

/** A failed job as `failed()` lists it, also when its data cannot be read. */
export function describeFailed(
  data: unknown,
  failure: Pick<FailedWrite, 'id' | 'error' | 'attempts' | 'failedAtMs'>,
): FailedWrite {
  try {
    const { key, task } = decodeDelayedWrite((data as JobData | null)?.write);
    return { ...failure, key, text: task.text };
  } catch {
    // A job of a newer version: its failure is what there is to show.
    return { ...failure, key: undefined, text: undefined };
  }
}

/** What one attempt threw, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
