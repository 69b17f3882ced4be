import type { Scenario } from '../scenario.js';

/** No fault at all: what was acknowledged is there after an orderly close, exactly. */
export const orderly: Scenario = {
  name: 'orderly',
  title: 'no fault; an orderly close',
  cycles: 3,
  async cycle(arena) {
    const process = arena.launch({ flushEveryMs: arena.between(50, 400) });
    await process.opened;
    await arena.pause(arena.between(400, 1_500));
    await process.stop();
  },
};
