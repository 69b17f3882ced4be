import type { Generation } from '../aggregate/generation.js';
import { failpoint } from '../failpoint.js';
import type { Attempt } from './attempt.js';
import { generationUnits } from './generation-units.js';
import { type Condemned, Isolation, SAVEPOINT } from './isolation.js';
import type { Plan } from './plan.js';
import type { UnmatchedTally } from './unmatched.js';

/**
 * One query, so no round trip more. A process that is stopped or cut off in mid-transaction must not hold its
 * row locks for ever. And with PostgreSQL's default for `random_page_cost`, which is that of a rotating disk, a
 * batch of 1,000 rows of 100,000 reads the whole table to join it: 49,000 rows per second instead of 227,000
 * (5,000 rows: 150,000 instead of 250,000; no batch from 300 rows on was slower).
 */
const BEGIN = [
  'BEGIN ISOLATION LEVEL READ COMMITTED',
  `SET LOCAL idle_in_transaction_session_timeout = '60s'`,
  'SET LOCAL random_page_cost = 1.1',
].join('; ');

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
