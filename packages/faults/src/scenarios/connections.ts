import pg from 'pg';
import type { Arena } from '../arena.js';
import type { Scenario } from '../scenario.js';

const MAX_CONNECTIONS = 14;

/** Another client takes every connection that PostgreSQL gives, and cuts those that the engine has. */
export const connections: Scenario = {
  name: 'connections',
  title: 'no connection to be had',
  cycles: 3,
  server: [`max_connections=${MAX_CONNECTIONS}`, 'superuser_reserved_connections=0'],
  async cycle(arena) {
    const process = arena.launch({ flushEveryMs: 150 });
    await process.opened;
    await arena.pause(300);
    for (let round = 0; round < 2; round += 1) {
      const taken = await takeAll(arena);
      arena.fault('connections taken');
      await arena.pause(arena.between(300, 1_200));
      await Promise.all(taken.map((client) => client.end()));
      await arena.pause(arena.between(100, 400));
    }
    await process.stop();
  },
};

/** The engine's sessions are ended, so that it has to ask for new ones, and loses the race for them. */
async function takeAll(arena: Arena): Promise<pg.Client[]> {
  const taken: pg.Client[] = [];
  for (let tries = 0; tries < MAX_CONNECTIONS * 3; tries += 1) {
    const client = new pg.Client({ connectionString: arena.dsn });
    client.on('error', () => {}); // cut off when the server refuses
    try {
      await client.connect();
      taken.push(client);
    } catch {
      // Full: what is not ours is the engine's.
      await taken[0]?.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'zmsg%'`,
      );
    }
    if (taken.length === MAX_CONNECTIONS) break;
  }
  return taken;
}
