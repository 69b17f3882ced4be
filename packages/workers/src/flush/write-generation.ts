import type { Generation } from '../aggregate/generation.js';
import { failpoint } from '../failpoint.js';
import type { Attempt } from './attempt.js';
import { generationUnits } from './generation-units.js';
import { type Condemned, Isolation, SAVEPOINT } from './isolation.js';
import type { Plan } from './plan.js';
import type { UnmatchedTally } from './unmatched.js';

/** A process that is stopped or cut off in mid-transaction must not hold its row locks for ever. */
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '60s'`;

/**
 * Begins a transaction and writes everything that the generation changes; returns what was left out.
 * Throws `Refusal`, unless the plan is to isolate, and what `pg` throws.
 */
export async function writeGeneration(
  generation: Generation,
  plan: Plan,
  tally: UnmatchedTally,
  attempt: Attempt,
): Promise<readonly Condemned[]> {
  failpoint('flush:begin:before');
  const units = generationUnits(generation);
  if (plan.isIsolating) {
    await attempt.control(`${BEGIN}; ${SAVEPOINT}`);
    const isolation = new Isolation(attempt, tally, plan);
    await isolation.run(units);
    return isolation.condemned;
  }
  await attempt.control(BEGIN);
  let index = 0;
  for (const unit of units) {
    tally.add(await attempt.run(unit, index));
    index += 1;
  }
  return [];
}
