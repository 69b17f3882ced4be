import type { Scenario } from '../scenario.js';

/**
 * Rows that PostgreSQL refuses for good are among the others: a CHECK, an overflow. Their neighbours are
 * exact, and what was refused is in `zmsg_dead_letters`, which the oracle counts.
 */
export const poison: Scenario = {
  name: 'poison',
  title: 'rows that PostgreSQL refuses, among others',
  cycles: 3,
  leavesDeadLetters: true,
  async cycle(arena) {
    const process = arena.launch({ poison: true, flushEveryMs: 200 });
    await process.opened;
    await arena.pause(arena.between(500, 1_500));
    if (arena.random.below(2) === 0) await arena.kill(process);
    else await process.stop();
  },
};
