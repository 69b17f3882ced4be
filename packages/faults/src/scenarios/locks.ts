import pg from 'pg';
import type { Arena } from '../arena.js';
import type { Scenario } from '../scenario.js';
import { ROWS } from '../tables.js';

/**
 * Other sessions update the same rows in another order, at every isolation level: deadlocks on both
 * sides; in half of the cycles transactions are serializable by default, and strong writes fail, too.
 */
export const locks: Scenario = {
  name: 'locks',
  title: 'deadlocks, lock waits, serialization failures',
  cycles: 3,
  async cycle(arena) {
    const isolation = arena.oneOf(['read committed', 'serializable']);
    const database = pg.escapeIdentifier(arena.dsn.split('/').at(-1) ?? '');
    const setIsolation = (level: string) =>
      arena.query(`ALTER DATABASE ${database} SET default_transaction_isolation = '${level}'`);
    await setIsolation(isolation);
    const process = arena.launch({ flushEveryMs: 50, options: { batchSize: 50 } });
    await process.opened;
    const end = performance.now() + arena.between(1_000, 2_500);
    await Promise.all([0, 1, 2].map(() => interfere(arena, end)));
    await process.stop();
    // A job that pg-boss could not settle waits for its lock to expire, which takes two minutes.
    await setIsolation('read committed');
  },
};

async function interfere(arena: Arena, end: number): Promise<void> {
  const client = new pg.Client({ connectionString: arena.dsn });
  client.on('error', () => {}); // the query under way rejects
  await client.connect();
  try {
    while (performance.now() < end) {
      arena.signal.throwIfAborted();
      try {
        await client.query(
          `BEGIN ISOLATION LEVEL ${arena.oneOf(['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'])}`,
        );
        // Hot rows are the low ones.
        const rows = Array.from({ length: 5 }, () => arena.random.below(ROWS / 4));
        for (const row of rows) {
          await client.query('UPDATE fault_rows SET likes = likes + 0 WHERE id = $1', [row]);
          await arena.pause(arena.random.below(4));
        }
        await client.query(arena.oneOf(['COMMIT', 'ROLLBACK']));
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== '40P01' && code !== '40001') throw error;
        arena.fault(code === '40P01' ? 'deadlocks' : 'serialization failures');
        await client.query('ROLLBACK');
      }
    }
  } finally {
    await client.end();
  }
}
