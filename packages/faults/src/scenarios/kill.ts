import type { Scenario } from '../scenario.js';

/**
 * kill -9 at a random moment under load, also while opening; in every third cycle the process that
 * recovers is killed as well. A fifth of them runs at level `off`, where only what a receipt called committed
 * must be there.
 */
export const kill: Scenario = {
  name: 'kill',
  title: 'kill -9 at random moments',
  cycles: 10,
  async cycle(arena, at) {
    const process = arena.launch(arena.random.below(5) === 0 ? { options: { walSync: 'off' } } : {});
    if (at === 0 || arena.random.below(10) > 0) await process.opened;
    await arena.pause(arena.between(50, 1_500));
    await arena.kill(process);
    if (arena.random.below(3) > 0) return;
    const second = arena.launch();
    await arena.pause(arena.between(300, 1_500));
    await arena.kill(second);
  },
};
