import fc from 'fast-check';
import type pg from 'pg';
import { expect, test } from 'vitest';
import type { WriteTask } from '../dist/index.js';
import { content, extra, like, openDatabase, openShards, put, tag } from './shard-fixture.js';

/** Sequences for each number of shards. */
const RUNS = Number(process.env.ZMSG_PROPERTY_RUNS ?? 1000);

type Step =
  | { do: 'flush' }
  | { do: 'wait' }
  | { do: 'submit'; task: WriteTask; sql: string; values: unknown[] };

const row = fc.constantFrom('a', 'b', 'c', 'ключ', 'new');
const json = fc
  .oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom('x', 'y', null, true, 'z'.repeat(400)),
    fc.object({ maxDepth: 1 }),
  )
  .map((value) => JSON.stringify(value).replaceAll('\\u0000', ''));
const object = fc
  .dictionary(
    fc.constantFrom('p', 'q', 'r'),
    fc.oneof(fc.integer(), fc.dictionary(fc.constantFrom('s', 't'), fc.integer())),
  )
  .map((value) => JSON.stringify(value));
const number = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }));
const key = fc.constantFrom('k', 'l', 'long'.repeat(50));

const COUNTER = {
  inc: 'COALESCE(likes, 0) + $2::numeric',
  dec: 'COALESCE(likes, 0) - $2::numeric',
  mul: 'COALESCE(likes, 0) * $2::numeric',
  set: '$2::numeric',
  clean: '0 + 0 * $2::numeric',
} as const;
const TAGS = `COALESCE(tags, '[]')`;
const SLICE = {
  add: `${TAGS} || jsonb_build_array($2::jsonb)`,
  del: `(SELECT COALESCE(jsonb_agg(e ORDER BY o), '[]') FROM jsonb_array_elements(${TAGS}) WITH ORDINALITY AS x(e, o) WHERE e <> $2::jsonb)`,
  clean: `CASE WHEN $2::jsonb IS NULL THEN '[]'::jsonb ELSE '[]'::jsonb END`,
} as const;
const MAP = {
  set: `COALESCE(extra, '{}') || jsonb_build_object($3::text, $2::jsonb)`,
  del: `COALESCE(extra, '{}') - CASE WHEN $2::text IS NULL THEN $3::text ELSE $3::text END`,
  merge: `CASE WHEN $3::text IS NULL THEN NULL ELSE zmsg_map_merge(extra, $2::jsonb) END`,
  clean: `CASE WHEN $2::text IS NULL AND $3::text IS NULL THEN NULL ELSE '{}'::jsonb END`,
} as const;

const counterStep = fc
  .tuple(row, fc.constantFrom('inc', 'dec', 'mul', 'set', 'clean'), number, fc.integer({ min: -2, max: 2 }))
  .map(([id, op, amount, factor]): Step => {
    const operand = op === 'mul' ? factor : op === 'clean' ? undefined : amount;
    const task = like(id, { op, operand });
    return {
      do: 'submit',
      task,
      sql: `UPDATE posts SET likes = ${COUNTER[op]} WHERE id = $1`,
      values: [id, operand ?? 0],
    };
  });
const sliceStep = fc
  .tuple(row, fc.constantFrom('add', 'del', 'clean'), json)
  .map(([id, op, operand]): Step => {
    const task = tag(id, { op, operand: op === 'clean' ? undefined : operand });
    return {
      do: 'submit',
      task,
      sql: `UPDATE posts SET tags = ${SLICE[op]} WHERE id = $1`,
      values: [id, operand],
    };
  });
const mapStep = fc
  .tuple(row, fc.constantFrom('set', 'del', 'merge', 'clean'), key, json, object)
  .map(([id, op, name, value, patch]): Step => {
    const given = op === 'merge' ? patch : value;
    const task = extra(id, {
      op,
      key: op === 'set' || op === 'del' ? name : undefined,
      operand: op === 'set' || op === 'merge' ? given : undefined,
    });
    return {
      do: 'submit',
      task,
      sql: `UPDATE posts SET extra = ${MAP[op]} WHERE id = $1`,
      values: [id, given, name],
    };
  });
const contentStep = fc.tuple(row, fc.string({ unit: 'grapheme' })).map(([id, text]): Step => {
  const sql = `INSERT INTO notes (id, log) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET log = md5(notes.log || excluded.log)`;
  const values = [id, text.replaceAll('\0', '')];
  return { do: 'submit', task: content(sql, values), sql, values };
});
const putStep = fc.tuple(row, fc.uint8Array({ maxLength: 2000 })).map(([id, bytes]): Step => {
  const sql = `INSERT INTO zmsg_data (id, data) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data`;
  return { do: 'submit', task: put(id, bytes), sql, values: [id, Buffer.from(bytes)] };
});
const step = fc.oneof(
  { weight: 6, arbitrary: counterStep },
  { weight: 4, arbitrary: sliceStep },
  { weight: 4, arbitrary: mapStep },
  { weight: 2, arbitrary: contentStep },
  { weight: 2, arbitrary: putStep },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'flush' }, { do: 'wait' }) },
);

async function reset(client: pg.Client): Promise<void> {
  await client.query('TRUNCATE posts, notes, zmsg_data');
  await client.query(
    `INSERT INTO posts (id, likes) VALUES ('a', 0), ('b', NULL), ('c', 9007199254740993), ('ключ', 1)`,
  );
}

async function contents(client: pg.Client): Promise<unknown> {
  const posts = await client.query('SELECT id, likes::text, tags::text, extra::text FROM posts ORDER BY id');
  const notes = await client.query('SELECT id, log FROM notes ORDER BY id');
  const data = await client.query(`SELECT id, encode(data, 'hex') AS data FROM zmsg_data ORDER BY id`);
  return [posts.rows, notes.rows, data.rows];
}

test.each([2, 5])(
  'through %i shards and tiny rings, everything ends as plain SQL one by one would have it',
  async (count) => {
    const { dsn, client } = await openDatabase();
    await client.query('CREATE TABLE notes (id text PRIMARY KEY, log text)');
    const { shards, events } = await openShards(dsn, {
      shards: count,
      ringBytes: 1024,
      pendingMax: 40,
      batchSize: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 80 }), async (steps) => {
        await reset(client);
        const submitted: Promise<unknown>[] = [];
        for (const each of steps) {
          if (each.do === 'submit') submitted.push(shards.submit(each.task));
          else if (each.do === 'flush') submitted.push(shards.flush());
          else await new Promise((resolve) => setImmediate(resolve));
        }
        await shards.flush();
        await Promise.all(submitted);
        const throughShards = await contents(client);

        await reset(client);
        for (const each of steps) if (each.do === 'submit') await client.query(each.sql, each.values);
        expect(throughShards).toEqual(await contents(client));
      }),
      { numRuns: RUNS },
    );
    expect(events.filter((event) => event.type === 'flush:transaction:failed')).toEqual([]);
    expect(shards.stats().pendingOperations).toBe(0);
  },
  900_000,
);
