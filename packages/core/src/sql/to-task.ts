import { InvalidTaskError, type ReadTask, type Task } from '@zmsg/workers';
import { AggregatedBuilder } from './aggregated-builder.js';
import { kindOf } from './kind-of.js';

/** A task, or a builder that makes one. */
export type Buildable<Built extends Task | ReadTask = Task> = Built | { build(): Built };

/**
 * The task itself, or what the builder builds. Throws `InvalidTaskError` for anything else: a task
 * that no builder made (it is not frozen) was not validated.
 *
 * @example
 * toTask(counter('feed_meta', 'like_count').inc(1).where('id = ?', feedId)).op; // 'inc'
 */
export function toTask<Built extends Task | ReadTask>(given: Buildable<Built>): Built {
  if (given instanceof AggregatedBuilder) return given.draft();
  if (typeof given === 'object' && given !== null) {
    const task = 'build' in given && typeof given.build === 'function' ? given.build() : given;
    if (isTask(task)) return task as Built;
  }
  throw new InvalidTaskError(
    `a task is made by sql(…), counter(…), slice(…) or map(…), this is ${kindOf(given)}`,
  );
}

function isTask(given: object): boolean {
  if (!('kind' in given) || !('text' in given) || !Object.isFrozen(given)) return false;
  const { kind } = given;
  return kind === 'content' || kind === 'counter' || kind === 'slice' || kind === 'map';
}

/** Whether the task reads an aggregated column (`get()`, `getKey()`). */
export function isReadTask(task: Task | ReadTask): task is ReadTask {
  return 'op' in task && (task.op === 'get' || task.op === 'getKey');
}
