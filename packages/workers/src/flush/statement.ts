import type { Group } from '../aggregate/group.js';
import type { PutOperation } from '../operation.js';

/** What is written or refused as a whole. */
export type Written = Group | PutOperation;

/** One statement of a flush. */
export interface FlushStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  /**
   * How to learn which groups matched no row: `rows`: the result's rows are numbers (`i`, from 1) of such groups;
   * `count`: the one group, if an UPDATE or DELETE counted 0 rows; `never`: it does not tell.
   */
  readonly unmatched: 'rows' | 'count' | 'never';
  readonly groups: readonly Written[];
}
