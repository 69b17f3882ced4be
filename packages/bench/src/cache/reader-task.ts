/** What a thread of `readRates` is given. */
export interface ReaderTask {
  keys: number;
  /** Word 0: the round, raised by the main thread and notified; word 1: threads that are done with it. */
  control: SharedArrayBuffer;
  reads: number;
  /** Takes part in the rounds with a number of at least this many threads. */
  number: number;
}

/** The threads that read in a round are told by its number's low bits. */
export const ROUND_THREADS = 8;
