import type { Scenario } from '../scenario.js';

/**
 * The log cannot be written for a while: fsync fails, or the disk is full. What is rejected says so;
 * what was acknowledged is kept, after a kill as well as after an orderly close.
 */
export const logDisk: Scenario = {
  name: 'log-disk',
  title: 'fsync fails, writes find no room',
  cycles: 4,
  async cycle(arena) {
    const place = arena.oneOf(['log:sync:before', 'log:append:before', 'log:append:after']);
    const error = arena.oneOf(['EIO', 'ENOSPC']);
    const skip = arena.random.below(60);
    const times = arena.oneOf([1, 5, 50]);
    // With the second one, the new file that the log would go on in fails as well.
    const process = arena.launch({
      failpoints: `${place}=${error}:${skip}:${times},log:segment:create=${error}:1:${times}`,
      flushEveryMs: 200,
    });
    arena.fault(`${error} at ${place}`);
    await process.opened;
    await arena.pause(arena.between(800, 1_500));
    if (arena.random.below(2) === 0) await arena.kill(process);
    else await process.stop();
  },
};
