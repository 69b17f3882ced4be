import { counter, sql } from '@zmsg/core';
import { sql as kyselySql } from 'kysely';
import { atLeast } from '../bar.js';
import { type Contender, contest, ratioOf } from '../contest.js';
import { knexBuilder, kyselyBuilder } from '../peers/query-builders.js';
import type { LocalSuite } from '../suite.js';

const LOOP = 200;
const SQL = 'sql(…).build()';
const COUNTER = 'counter(…).build()';
const KYSELY = 'kysely compile()';
const TEXT_AND_VALUES = 'text and values';
const CHECKED_TEXT = 'the text checked, with its $1…$n; values';

interface Built {
  text: string;
  values: readonly unknown[];
}

interface Builder {
  name: string;
  does: string;
  ours?: boolean;
  build: (n: number) => Built;
  /** What it must give for 7; spelling differs between builders. */
  expected: Built;
}

/** A statement with other values each time, beside the same of query builders. */
export const builders: LocalSuite = {
  name: 'builders',
  async runLocally(options) {
    const kysely = kyselyBuilder();
    const knex = knexBuilder();
    const quoted = 'insert into "feeds" ("id", "content") values ($1, $2)';
    const written = 'INSERT INTO feeds (id, content) VALUES ($1, $2)';
    const insert = await contest(
      [
        {
          name: SQL,
          does: CHECKED_TEXT,
          ours: true,
          build: (n: number) => sql('INSERT INTO feeds (id, content) VALUES (?, ?)', n, 'x').build(),
          expected: { text: written, values: [7, 'x'] },
        },
        {
          name: KYSELY,
          does: TEXT_AND_VALUES,
          build: (n: number) =>
            ofKysely(kysely.insertInto('feeds').values({ id: n, content: 'x' }).compile()),
          expected: { text: quoted, values: [7, 'x'] },
        },
        {
          name: 'kysely sql`…`.compile()',
          does: 'the text as it was written; values',
          build: (n: number) =>
            ofKysely(kyselySql`INSERT INTO feeds (id, content) VALUES (${n}, ${'x'})`.compile(kysely)),
          expected: { text: written, values: [7, 'x'] },
        },
        {
          name: 'knex toSQL()',
          does: TEXT_AND_VALUES,
          build: (n: number) => ofKnex(knex('feeds').insert({ id: n, content: 'x' }).toSQL().toNative()),
          // In the order of the alphabet.
          expected: { text: 'insert into "feeds" ("content", "id") values ($1, $2)', values: ['x', 7] },
        },
        {
          name: 'knex.raw toSQL()',
          does: 'the text with its $1…$n; values',
          build: (n: number) =>
            ofKnex(knex.raw('INSERT INTO feeds (id, content) VALUES (?, ?)', [n, 'x']).toSQL().toNative()),
          expected: { text: written, values: [7, 'x'] },
        },
      ].map(looping),
      { ...options, id: 'builders.sql', title: 'Building an INSERT (text and values checked)' },
    );
    const update = 'update "feed_meta" set "like_count" = "like_count" + $1 where "id" = $2';
    const like = await contest(
      [
        {
          name: COUNTER,
          does: 'a task that shards fold, with its statement',
          ours: true,
          build: (n: number) =>
            counter('feed_meta', 'like_count').inc(1).where('id = ?', n).batchKey('meta').build(),
          expected: {
            text: 'UPDATE "feed_meta" SET "like_count" = COALESCE("like_count", 0) + $1::numeric WHERE (id = $2)',
            values: ['1', 7],
          },
        },
        {
          name: KYSELY,
          does: TEXT_AND_VALUES,
          build: (n: number) =>
            ofKysely(
              kysely
                .updateTable('feed_meta')
                .set((eb) => ({ like_count: eb('like_count', '+', 1) }))
                .where('id', '=', n)
                .compile(),
            ),
          expected: { text: update, values: [1, 7] },
        },
        {
          name: 'knex toSQL()',
          does: TEXT_AND_VALUES,
          build: (n: number) =>
            ofKnex(knex('feed_meta').where({ id: n }).increment('like_count', 1).toSQL().toNative()),
          expected: { text: update, values: [1, 7] },
        },
      ].map(looping),
      { ...options, id: 'builders.counter', title: 'Building an increment (text and values checked)' },
    );
    const title = 'Building statements, which touches no server';
    return {
      name: 'builders',
      title,
      contests: [insert, like],
      bars: [
        atLeast('builders.sql', 'sql build against kysely', ratioOf(insert, KYSELY, SQL), 10),
        atLeast('builders.counter', 'counter build against kysely', ratioOf(like, KYSELY, COUNTER), 10),
      ],
    };
  },
};

function looping({ name, does, ours = false, build, expected }: Builder): Contender {
  const built = build(7);
  if (built.text !== expected.text || JSON.stringify(built.values) !== JSON.stringify(expected.values)) {
    throw new Error(`${name} built ${JSON.stringify(built)}`);
  }
  const { length } = expected.text;
  const values = expected.values.length;
  return {
    name,
    does,
    ours,
    operations: LOOP,
    run: () => {
      for (let n = 0; n < LOOP; n++) {
        const built = build(n);
        if (built.text.length !== length || built.values.length !== values) {
          throw new Error(`${name} built ${built.text}`);
        }
      }
    },
  };
}

function ofKysely({ sql: text, parameters: values }: { sql: string; parameters: readonly unknown[] }): Built {
  return { text, values };
}

function ofKnex({ sql: text, bindings: values }: { sql: string; bindings: readonly unknown[] }): Built {
  return { text, values };
}
