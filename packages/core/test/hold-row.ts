import pg from 'pg';
import { onTestFinished } from 'vitest';

/** No write of the row is committed before the returned function is called; reads find it as it is. */
export async function holdRow(dsn: string, key: string, table = 'zmsg_data'): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: dsn });
  await client.connect();
  let isHeld = true;
  const release = async () => {
    if (isHeld) await client.end();
    isHeld = false;
  };
  onTestFinished(release);
  await client.query('BEGIN');
  await client.query(`SELECT FROM ${table} WHERE id = $1 FOR UPDATE`, [key]);
  return release;
}
