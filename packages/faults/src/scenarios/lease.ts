import type { Scenario } from '../scenario.js';

/**
 * A process is stopped past its id lease, and another takes its node id: there is no other free one.
 * When the first goes on, it must not issue ids of a lease that is over.
 */
export const lease: Scenario = {
  name: 'lease',
  title: 'SIGSTOP past the id lease while another takes its node id',
  cycles: 2,
  async cycle(arena) {
    // A third of it is how long the engine waits for PostgreSQL to answer.
    const options = { idLeaseTtl: '3s' };
    const first = arena.launch({ node: 'a', options });
    await first.opened;
    await arena.pause(300);
    await arena.query(
      `UPDATE zmsg_nodes SET owner = gen_random_uuid(), epoch = epoch + 1, expires_at = now() + interval '1 day'
       WHERE owner IS NULL`,
    );
    try {
      first.signal('SIGSTOP');
      arena.fault('stops');
      await arena.pause(3_100);
      const second = arena.launch({ node: 'b', options });
      await second.opened;
      await arena.pause(200);
      first.signal('SIGCONT');
      await arena.pause(700);
      await Promise.all([first.stop(), second.stop()]);
    } finally {
      first.signal('SIGCONT');
      await arena.query(`UPDATE zmsg_nodes SET owner = NULL WHERE expires_at > now() + interval '1 hour'`);
    }
  },
};
