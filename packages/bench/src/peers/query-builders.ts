import createKnex from 'knex';
import {
  DummyDriver,
  type Generated,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';

interface Database {
  feeds: { id: number; content: string };
  feed_meta: { id: number; like_count: Generated<number> };
}

/** For building only, as its documentation says: there is no database behind it. */
export function kyselyBuilder(): Kysely<Database> {
  return new Kysely<Database>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}

/** For building only: without a connection. */
export function knexBuilder() {
  return createKnex({ client: 'pg' });
}
