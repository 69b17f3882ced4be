import type { IdHandle } from '@zmsg/core/ids';

/** What a thread of `issuingRate` is given. */
export interface IssuingTask {
  handle: IdHandle;
  /** 32-bit words: word 0 ends the threads when it is not zero; then each thread's count of ids. */
  control: SharedArrayBuffer;
  number: number;
}
