import { InvalidTaskError, type PutTask } from '@zmsg/workers';

const UPSERT =
  'INSERT INTO zmsg_data (id, data) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = EXCLUDED.data, updated_at = now()';
const DELETE = 'DELETE FROM zmsg_data WHERE id = $1';

/**
 * The write of a call without a task: key and value go to the engine's own table.
 *
 * @throws InvalidTaskError when there is no value either
 */
export function putTask(key: string, data: Uint8Array | null): PutTask {
  if (data === null) throw new InvalidTaskError('a write without a task needs a value');
  return { kind: 'put', key, data, text: UPSERT, values: [key, data], batchKey: undefined };
}

/** The delete of a call without a task. */
export function dropStatement(key: string): { text: string; values: readonly unknown[] } {
  return { text: DELETE, values: [key] };
}
