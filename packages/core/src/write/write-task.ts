import { InvalidTaskError, type Task } from '@zmsg/workers';
import { type Buildable, toTask } from '../sql/index.js';
import { putTask } from './put-task.js';

/**
 * The task of a write call: the caller's, or the engine's own table when there is none.
 *
 * @throws InvalidTaskError when the task only reads, or when there is neither task nor value
 */
export function writeTask(key: string, data: Uint8Array | null, task: Task | Buildable | undefined): Task {
  if (task === undefined) return putTask(key, data);
  const built = toTask(task);
  if ('op' in built && (built.op === 'get' || built.op === 'getKey')) {
    throw new InvalidTaskError('get() reads: it is no write; use query()');
  }
  return built as Task;
}
