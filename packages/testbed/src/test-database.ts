import pg from 'pg';

let created = 0;

/** Creates an empty database on the server at `port` and returns its connection string. */
export async function createDatabase(port: number, prefix = 'test'): Promise<string> {
  const dsn = (name: string) => `postgresql://postgres:secret@127.0.0.1:${port}/${name}`;
  const name = `${prefix}_${process.pid}_${Date.now().toString(36)}_${created++}`;
  const client = new pg.Client({ connectionString: dsn('postgres') });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  return dsn(name);
}
