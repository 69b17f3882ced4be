/** What happens to the threads of an engine. */
export type ThreadEvent =
  /**
   * A thread that had attached ended, or was ended, without `close()`. `calls`: that it still waited for;
   * `segments`: of L1 that it had locked and were emptied.
   */
  | {
      readonly type: 'attach:thread:ended';
      readonly thread: number;
      readonly calls: number;
      readonly segments: number;
    }
  /** Only in an attached thread that did not keep up: so many events did not reach it. */
  | { readonly type: 'attach:events:dropped'; readonly events: number };
