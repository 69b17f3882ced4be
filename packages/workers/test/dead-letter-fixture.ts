import type pg from 'pg';
import { type DeadLetterTask, deadLetterStatements } from '../dist/flush/dead-letter-task.js';

export interface StoredLetter {
  id: string;
  kind: string;
  table_name: string | null;
  column_name: string | null;
  operations: string;
  task: DeadLetterTask;
  sqlstate: string | null;
  error: string;
  attempts: number;
  position: string;
}

export async function lettersOf(client: pg.Client): Promise<StoredLetter[]> {
  return (await client.query('SELECT * FROM zmsg_dead_letters ORDER BY id')).rows;
}

/** Runs all dead letters in their order and deletes them. */
export async function retryAll(client: pg.Client): Promise<void> {
  for (const { id, task } of await lettersOf(client)) {
    for (const { text, values } of deadLetterStatements(task)) await client.query(text, values);
    await client.query('DELETE FROM zmsg_dead_letters WHERE id = $1', [id]);
  }
}
