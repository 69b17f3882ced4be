import type { Generation } from '../aggregate/generation.js';
import type { Columns } from './columns.js';
import { separateAltered } from './describe-generation.js';
import type { IsolationOptions } from './isolation.js';
import type { Refusal } from './refusal.js';
import type { Session } from './session.js';

/** How a transaction is tried. */
export interface Plan extends IsolationOptions {
  readonly isIsolating: boolean;
  /** The columns were described anew before. */
  readonly wasDescribed?: boolean;
}

/** All at once, without savepoints. */
export const PLAIN: Plan = { isIsolating: false, checksConstraints: false, suspect: undefined };

/** What to try after a refusal. Throws its error when there is nothing left to try. */
export async function nextPlan(
  plan: Plan,
  refusal: Refusal,
  generation: Generation,
  columns: Columns,
  session: Session,
): Promise<Plan> {
  if (plan.checksConstraints) throw refusal.error;
  const isCommit = refusal.unit === undefined;
  if (refusal.mayBeAltered && !isCommit && plan.wasDescribed !== true) {
    const isAltered = await separateAltered(generation, columns, session);
    if (isAltered) return { ...PLAIN, wasDescribed: true };
  }
  return { isIsolating: true, checksConstraints: isCommit, suspect: refusal.unit };
}
