import { setImmediate } from 'node:timers/promises';

/**
 * Before each sample of a contest in which nobody waits for anything: a node that hears nothing of the others for two
 * seconds, because its thread never turns to its event loop, empties its L1, and misses would be measured.
 */
export async function loopTurn(): Promise<void> {
  await setImmediate();
}
