import { createDatabase } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { ZMsg } from '../dist/index.js';

test('a statement reaches PostgreSQL and its rows come back', async () => {
  const zm = await ZMsg.open({ postgresDsn: await createDatabase(inject('postgresPort')) });
  const result = await zm.exec('SELECT $1::int + 1 AS n', [41]);
  expect(result.rows).toEqual([{ n: 42 }]);
  await zm.close();
});
