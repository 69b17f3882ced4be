import { adoptWal } from '@zmsg/core/wal';
import type { Arena } from '../arena.js';
import type { Scenario } from '../scenario.js';

const LOOK_MS = 200;

/**
 * A process is stopped in the midst of its load and taken for dead: another adopts its log. When it goes
 * on, none of its flushes may change anything, and its calls reject. What it still logged is applied when
 * its directory is opened again.
 */
export const fenced: Scenario = {
  name: 'fenced',
  title: 'SIGSTOP while another adopts the log, SIGCONT',
  cycles: 3,
  async cycle(arena) {
    const first = arena.launch({ node: 'a', flushEveryMs: 100 });
    await first.opened;
    if (first.isOver) return; // a fault; it is reported as one
    await arena.pause(arena.between(200, 800));
    first.signal('SIGSTOP');
    // It cannot flush any more, and so cannot close in an orderly way.
    first.mayFail = true;
    try {
      const second = arena.launch({ node: 'b' });
      await second.opened;
      const dataDir = arena.dataDir('a');
      const adoption = adoptWal({
        dataDir,
        config: { postgresDsn: arena.dsn, logLevel: 'error' },
        env: {},
        force: true,
      });
      arena.faults.add('operations adopted', await whileEnding(arena, adoption));
      arena.fault('logs adopted');
      first.signal('SIGCONT');
      await arena.pause(arena.between(300, 1_000));
      await Promise.all([first.stop(), second.stop()]);
    } finally {
      first.signal('SIGCONT');
    }
  },
};

/**
 * Transactions of the stopped process hold their rows until PostgreSQL ends them for standing idle, which
 * the engine asks it to do after a minute; here, an operator does it.
 */
async function whileEnding<T>(arena: Arena, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const ending = (async () => {
    while (!over.signal.aborted) {
      await arena.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction' AND state_change < now() - interval '1 s'`,
      );
      await arena.pause(LOOK_MS, over.signal);
    }
  })();
  const [result] = await Promise.all([work.finally(() => over.abort()), ending]);
  return result;
}
