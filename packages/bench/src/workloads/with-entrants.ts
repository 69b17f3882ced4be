import { entryOf } from './contenders/catalogue.js';
import { Entrant, type Setting } from './entrant.js';
import type { Servers } from './servers.js';
import type { TrialTask } from './trial-task.js';

/** Enters contenders, the reference first, and takes them out again, whatever happens. */
export async function withEntrants<T>(
  ids: readonly string[],
  servers: Servers,
  setting: Setting,
  body: (entrants: readonly [Entrant, ...Entrant[]]) => Promise<T>,
): Promise<T> {
  const entrants: Entrant[] = [];
  try {
    const entering = await Promise.allSettled(ids.map((id) => Entrant.enter(entryOf(id), servers, setting)));
    for (const each of entering) if (each.status === 'fulfilled') entrants.push(each.value);
    for (const each of entering) if (each.status === 'rejected') throw each.reason;
    await servers.checkpoint();
    const result = await body(entrants as [Entrant, ...Entrant[]]);
    await Promise.all(entrants.map((entrant) => entrant.leave()));
    entrants.length = 0;
    return result;
  } finally {
    for (const entrant of entrants) entrant.kill();
  }
}

/** Each task once per entrant and round, in turns, so that the drift of the machine hits all alike. */
export async function inTurns(
  entrants: readonly Entrant[],
  rounds: number,
  task: TrialTask | ((round: number) => TrialTask),
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const entrant of entrants) await entrant.run(typeof task === 'function' ? task(round) : task);
  }
}

/** What was found right, in words, per entrant. @throws Error when something was not */
export async function checkAll(entrants: readonly Entrant[]): Promise<Map<Entrant, string>> {
  const checked = new Map<Entrant, string>();
  for (const entrant of entrants) checked.set(entrant, await entrant.check());
  return checked;
}
