import type { Scenario } from '../scenario.js';

/** PostgreSQL crashes in the middle of flushes, is away for a moment, and comes back. */
export const restart: Scenario = {
  name: 'restart',
  title: 'PostgreSQL stopped with immediate, and restarted',
  cycles: 4,
  server: [],
  async cycle(arena) {
    const process = arena.launch({ flushEveryMs: 100 });
    await process.opened;
    for (let left = arena.between(1, 3); left > 0; left -= 1) {
      await arena.pause(arena.between(200, 900));
      arena.fault('crashes');
      await arena.server.stop('immediate');
      await arena.pause(arena.between(0, 1_200));
      await arena.server.start();
    }
    await arena.pause(arena.between(0, 300));
    if (arena.random.below(3) === 0) await arena.kill(process);
    else await process.stop();
  },
};
