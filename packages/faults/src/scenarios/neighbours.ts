import type { Scenario } from '../scenario.js';

const NODES = ['a', 'b', 'c'];

/** Several nodes write the same rows at one time; with a log, some of them are killed and come back. */
export const neighbours: Scenario = {
  name: 'neighbours',
  title: 'three nodes on the same rows, some killed',
  cycles: 3,
  async cycle(arena) {
    await Promise.all(
      NODES.map(async (node) => {
        const process = arena.launch({ node, rate: 1_500 });
        await process.opened;
        await arena.pause(arena.between(300, 1_200));
        if (arena.random.below(2) === 0) return process.stop();
        await arena.kill(process);
        const again = arena.launch({ node, rate: 1_500 });
        await again.opened;
        await arena.pause(arena.between(100, 500));
        return again.stop();
      }),
    );
  },
};
