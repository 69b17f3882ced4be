import { InvalidTaskError, type ReadTask, type Task } from '@zmsg/workers';
import { type Buildable, isReadTask, toTask } from '../sql/index.js';
import { dropStatement, putTask } from './put-task.js';
import type { Statement } from './writer.js';

/**
 * The task of a write call: the caller's, or the engine's own table when there is none.
 *
 * @throws InvalidTaskError when the task only reads, or when there is neither task nor value
 */
export function writeTask(key: string, data: Uint8Array | null, task: Buildable | undefined): Task {
  if (task === undefined) return putTask(key, data);
  const built = toTask<Task | ReadTask>(task);
  if (isReadTask(built)) throw new InvalidTaskError(`${built.op}() reads: it is no write; use query()`);
  return built;
}

/** What a delete call runs: the caller's task, or the delete from the engine's own table. */
export function deleteStatement(key: string, task: Buildable | undefined): Statement {
  return task === undefined ? dropStatement(key) : writeTask(key, null, task);
}
