import type { Arena } from '../arena.js';
import type { Scenario } from '../scenario.js';

/** Every named failpoint, and how many passes of it a load of a second makes at least: it is to kill among those. */
const FAILPOINTS: readonly (readonly [name: string, passes: number])[] = [
  ['log:append:before', 100],
  ['log:append:after', 100],
  ['log:sync:before', 50],
  ['log:sync:after', 50],
  ['log:segment:create', 1],
  ['log:segment:rotated', 1],
  ['log:segment:delete', 1],
  ['log:segment:deleted', 1],
  ['flush:begin:before', 10],
  ['flush:statement:before', 30],
  ['flush:mark:before', 10],
  ['flush:commit:before', 10],
  ['flush:commit:sent', 10],
  ['flush:commit:answered', 10],
  ['recovery:mark:taken', 1],
  ['recovery:frame:replayed', 5],
  ['recovery:done', 1],
  ['shard:operation:decoded', 500],
  ['shard:batch:acknowledged', 100],
];

/**
 * kill -9 at a named place of the engine. The points of recovery need something to recover from: a kill
 * comes before them. In a third of the cycles the process that recovers is killed at another point.
 */
export const failpoints: Scenario = {
  name: 'failpoints',
  title: 'kill -9 at every named failpoint, also twice in a row',
  cycles: FAILPOINTS.length,
  async cycle(arena, at) {
    const point = FAILPOINTS[at % FAILPOINTS.length] ?? ['recovery:done', 1];
    if (point[0].startsWith('recovery:')) {
      const before = arena.launch();
      await before.opened;
      await arena.pause(arena.between(200, 600));
      await arena.kill(before);
    }
    await killAt(point, arena);
    if (arena.random.below(3) === 0) await killAt(arena.oneOf(FAILPOINTS), arena);
  },
};

async function killAt([name, passes]: readonly [string, number], arena: Arena): Promise<void> {
  const process = arena.launch({
    failpoints: `${name}=kill:${arena.random.below(passes)}`,
    flushEveryMs: 100,
  });
  process.mayFail = true;
  await process.opened;
  const over = new AbortController();
  await Promise.race([process.ended, arena.pause(1_500, over.signal)]);
  over.abort();
  // Files of the log are deleted at the end.
  if (!process.isOver) await process.stop();
  arena.fault(process.wasKilled ? 'killed themselves' : `not reached: ${name}`);
}
