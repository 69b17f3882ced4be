/** Consecutive operations of one producer, as they are read back. */
export interface LogFrame {
  /** Name of the segment's file. What a definition defines, it defines in its segment and producer. */
  readonly segment: string;
  /** The run of the process that logged them. */
  readonly run: number;
  readonly producer: number;
  /** Positions of the first and the last operation. */
  readonly first: number;
  readonly position: number;
  readonly count: number;
  /** Where the producer's ring stood behind them. */
  readonly ringAt: number;
  readonly taken: number;
  /** Records, each padded to 4 bytes: `count` operations, and definitions before those that need them. */
  readonly payload: Buffer;
}
