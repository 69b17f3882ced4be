import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { freePort } from '@zmsg/testbed';
import pg from 'pg';
import { expect, test } from 'vitest';
import { exclusivePglite } from '../dist/store/embedded/exclusive-pglite.js';

test('queries and transactions of several connections to one PGlite get their own answers', async () => {
  const db = await PGlite.create();
  const port = await freePort();
  const host = '127.0.0.1';
  const server = new PGLiteSocketServer({ db: exclusivePglite(db), port, host, maxConnections: 20 });
  await server.start();
  const connectionString = `postgresql://postgres@${host}:${port}/postgres?sslmode=disable`;
  const pool = new pg.Pool({ connectionString, max: 8 });
  const errors: Error[] = [];
  pool.on('error', (error) => errors.push(error));
  const alone = async (n: number) => {
    const { rows } = await pool.query(`SELECT 'alone' || $1::text AS v`, [n]);
    expect(rows).toEqual([{ v: `alone${n}` }]);
  };
  const inTransaction = async (n: number) => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const { rows } = await client.query(`SELECT $1::int + $2::int AS sum`, [n, 1]);
    await client.query('COMMIT');
    client.release();
    expect(rows).toEqual([{ sum: n + 1 }]);
  };
  const failing = async (n: number) => {
    await expect(pool.query('SELECT 1 / $1::int', [n - n])).rejects.toThrow('division by zero');
  };
  const work = [alone, inTransaction, failing];
  await Promise.all(Array.from({ length: 300 }, (_, n) => work[n % 3]?.(n)));
  expect(errors).toEqual([]);
  await pool.end();
  await server.stop();
  await db.close();
});
