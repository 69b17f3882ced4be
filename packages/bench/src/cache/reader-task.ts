/** What a thread of `readRates` is given. */
export interface ReaderTask {
  keys: number;
  /** Word 0: the round, raised by the main thread and notified; word 1: threads that are done with it. */
  control: SharedArrayBuffer;
  reads: number;
  /** Takes part in the rounds of more than this many threads. */
  number: number;
}

/** The threads that read in a round are told by its number's low bits; so they are fewer than this. */
export const ROUND_THREADS = 256;
