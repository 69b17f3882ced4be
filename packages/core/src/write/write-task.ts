import { InvalidTaskError, type ReadTask, type Task } from '@zmsg/workers';
import { type Buildable, isReadTask, toTask } from '../sql/index.js';
import { putTask } from './put-task.js';

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
