import type { Scenario } from '../scenario.js';

const PLACES = [
  'flush:begin:before',
  'flush:statement:before',
  'flush:mark:before',
  'flush:commit:before',
  'flush:commit:sent',
  'flush:commit:answered',
  'shard:operation:decoded',
  'shard:batch:acknowledged',
  'log:append:after',
];

/** A shard's thread throws, or ends, in the midst of its work. The process goes on, and every call is settled. */
export const threads: Scenario = {
  name: 'threads',
  title: 'a shard thread throws or ends in mid-flush',
  cycles: 4,
  async cycle(arena) {
    const place = arena.oneOf(PLACES);
    const action = arena.oneOf(['throw', 'exit']);
    const process = arena.launch({
      failpoints: `${place}=${action}:${arena.random.below(10)}`,
      flushEveryMs: 150,
    });
    // The thread that takes its place dies there as well; after some of them the shard is given up, and what
    // its log holds is left to recovery.
    process.mayFail = true;
    arena.fault(`${action} at ${place}`);
    await process.opened;
    await arena.pause(arena.between(800, 2_000));
    await process.stop();
  },
};
