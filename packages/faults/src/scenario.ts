import type { Arena } from './arena.js';

/** One kind of fault. A cycle runs workloads under it; recovery and the check come after it by themselves. */
export interface Scenario {
  readonly name: string;
  /** What happens, in a few words. */
  readonly title: string;
  /** Cycles unless the command line says otherwise. */
  readonly cycles: number;
  /** Lines of postgresql.conf for a server of its own; undefined: the one that all scenarios share. */
  readonly server?: readonly string[];
  /** What PostgreSQL refuses here it will always refuse. Elsewhere no dead letter may be left after recovery. */
  readonly leavesDeadLetters?: boolean;
  /** Why it cannot run on this machine. */
  unavailable?(): string | undefined;
  /** @param at number of the cycle, from 0 */
  cycle(arena: Arena, at: number): Promise<void>;
  /** After the last cycle, also when it failed. `keep`: something was wrong, and its files are to be looked at. */
  close?(arena: Arena, keep: boolean): void;
}
