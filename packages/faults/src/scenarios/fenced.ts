import { adoptLog } from '../adopt-log.js';
import type { Scenario } from '../scenario.js';

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
    const first = arena.launch({ node: 'a', options: { idLeaseTtl: '1s' }, flushEveryMs: 200 });
    await first.opened;
    await arena.pause(arena.between(200, 800));
    first.signal('SIGSTOP');
    // It cannot flush any more, and so cannot close in an orderly way.
    first.mayFail = true;
    try {
      await arena.pause(1_100);
      const second = arena.launch({ node: 'b' });
      await second.opened;
      arena.faults.add('operations adopted', await adoptLog(arena, 'a'));
      arena.fault('logs adopted');
      first.signal('SIGCONT');
      await arena.pause(arena.between(300, 1_000));
      await Promise.all([first.stop(), second.stop()]);
    } finally {
      first.signal('SIGCONT');
    }
  },
};
