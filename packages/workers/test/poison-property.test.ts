import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lettersOf, retryAll } from './dead-letter-fixture.js';
import { type OperationInput, openDatabase } from './fold-fixture.js';
import { WriteBehind } from './write-behind.js';

const RUNS = Number(process.env.ZMSG_PROPERTY_RUNS ?? 1000) / 10;
const ROWS = 6;

const TABLES = (schema: string) => `
  CREATE SCHEMA ${schema};
  CREATE TABLE ${schema}.t (id int PRIMARY KEY, likes int NOT NULL DEFAULT 0, views smallint, tags jsonb, extra jsonb);
  CREATE TABLE ${schema}.log (id int, n int);`;
/** What poisons rows. The first two are checked at once, the last by COMMIT. */
const POISONS = [
  'ALTER TABLE bad.t ADD CONSTRAINT poison CHECK (likes <> 3)',
  `ALTER TABLE bad.t ADD CONSTRAINT poison CHECK (NOT (tags @> '[1]' OR extra ? 'a'))`,
  `CREATE FUNCTION bad.poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
   CREATE CONSTRAINT TRIGGER poison AFTER INSERT OR UPDATE ON bad.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
     WHEN (NEW.likes % 3 = 2) EXECUTE FUNCTION bad.poison()`,
  'ALTER TABLE bad.t RENAME TO hidden',
];
const CURES = [
  'ALTER TABLE bad.t DROP CONSTRAINT poison',
  'ALTER TABLE bad.t DROP CONSTRAINT poison',
  'DROP FUNCTION bad.poison CASCADE',
  'ALTER TABLE bad.hidden RENAME TO t',
];

let client: pg.Client;
let dsn: string;

beforeAll(async () => {
  ({ client, dsn } = await openDatabase(TABLES('good') + TABLES('bad')));
});
afterAll(() => client.end());

type Step =
  | { type: 'flush' }
  | { type: 'content'; id: number; n: number }
  | { type: 'task'; id: number; change: Partial<OperationInput>; isInsert: boolean };

/**
 * Additions only: a dead letter runs after what came behind it, so that the sums tell whether each
 * operation was applied once, and no order but that is compared.
 */
const aChange: fc.Arbitrary<Partial<OperationInput>> = fc.oneof(
  fc
    .integer({ min: 1, max: 4 })
    .map((operand) => ({ kind: 'counter' as const, column: 'likes', op: 'inc' as const, operand })),
  fc
    .integer({ min: 1, max: 4 })
    .map((operand) => ({ kind: 'counter' as const, column: 'views', op: 'inc' as const, operand })),
  fc
    .integer({ min: 0, max: 2 })
    .map((n) => ({ kind: 'slice' as const, column: 'tags', op: 'add' as const, operand: String(n) })),
  fc
    .constantFrom('a', 'b')
    .map((key) => ({ kind: 'map' as const, column: 'extra', op: 'set' as const, key, operand: '1' })),
);
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Step>({ type: 'flush' }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('content' as const), id: fc.nat(ROWS - 1), n: fc.nat(9) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('task' as const),
      id: fc.nat(ROWS + 1),
      change: aChange,
      isInsert: fc.boolean(),
    }),
  },
);

/** Rows with what was added to them, in no order. */
async function contents(schema: string): Promise<unknown> {
  const { rows } = await client.query(
    `SELECT id, likes, views, extra, (SELECT jsonb_agg(e ORDER BY e) FROM jsonb_array_elements(tags) e) AS tags
       FROM ${schema}.t ORDER BY id`,
  );
  const log = await client.query(`SELECT id, n FROM ${schema}.log ORDER BY id, n`);
  return { rows, log: log.rows };
}

async function play(
  schema: string,
  steps: readonly Step[],
): Promise<{ deadLetters: number; operations: number }> {
  const behind = new WriteBehind(dsn);
  await behind.start();
  let deadLetters = 0;
  let operations = 0;
  const flush = async () => {
    for (const refused of (await behind.flush()).deadLetters) {
      deadLetters += refused.deadLetters;
      operations += refused.operations;
    }
  };
  for (const step of steps) {
    if (step.type === 'flush') await flush();
    else if (step.type === 'content') {
      const text = `INSERT INTO ${schema}.log SELECT id, $2 FROM ${schema}.t WHERE id = $1 FOR UPDATE`;
      behind.aggregator.add({
        kind: 'content',
        text,
        values: [step.id, step.n],
        batchKey: undefined,
        producer: 1,
      });
    } else {
      const { id, change, isInsert } = step;
      const at = { table: `${schema}.t`, where: 'id = ?', whereValues: [id] };
      const insert = isInsert || id >= ROWS ? { id } : undefined;
      await behind.add({ ...at, insert, ...change } as OperationInput);
    }
  }
  await flush();
  return { deadLetters, operations };
}

test(`${RUNS} random sequences with poisoned rows: what is applied and what is kept is everything, once`, {
  timeout: 1_800_000,
}, async () => {
  let poisoned = 0;
  const aSequence = fc.array(aStep, { minLength: 1, maxLength: 40, size: 'max' });
  await fc.assert(
    fc.asyncProperty(fc.nat(POISONS.length - 1), aSequence, async (poison, steps) => {
      for (const schema of ['good', 'bad']) {
        await client.query(`TRUNCATE ${schema}.t, ${schema}.log;
          INSERT INTO ${schema}.t (id, tags, extra) SELECT n, '[]', '{}' FROM generate_series(0, ${ROWS - 1}) n`);
      }
      await client.query('TRUNCATE zmsg_dead_letters');
      await play('good', steps);
      await client.query(POISONS[poison] as string);
      const refused = await play('bad', steps).finally(() => client.query(CURES[poison] as string));
      const letters = await lettersOf(client);
      expect(letters).toHaveLength(refused.deadLetters);
      expect(letters.reduce((sum, { operations }) => sum + Number(operations), 0)).toBe(refused.operations);
      poisoned += Math.min(refused.deadLetters, 1);
      await retryAll(client);
      expect(await contents('bad')).toEqual(await contents('good'));
    }),
    {
      numRuns: RUNS,
      ...(process.env.ZMSG_SEED === undefined ? {} : { seed: Number(process.env.ZMSG_SEED) }),
    },
  );
  expect(poisoned).toBeGreaterThan(RUNS / 4);
});
