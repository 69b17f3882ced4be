import { threadId } from 'node:worker_threads';
import { failpoint } from './failpoint.js';
import { SEGMENT } from './layout.js';

/** A free lock; a held one is the owner's thread id + 1, times two, plus one if somebody may be asleep. */
const FREE = 0;
const SLEEPERS = 1;
const MINE = (threadId + 1) << 1;

const SPINS = 100;

/**
 * What is done under the lock takes microseconds, at most the time to copy one value and the records that
 * give way to it. An owner that has made no progress for this long has almost surely ended. With 100 ms
 * living owners were taken for dead on a machine with 15 busy threads per processor.
 */
export const STEAL_AFTER_MS = 500;

/**
 * The writer lock of one segment. Readers never touch it.
 *
 *   FREE ─acquire─▶ held by A ─release─▶ FREE
 *                      │ A ended (`seize` by thread id), or made no progress for STEAL_AFTER_MS
 *                      ▼
 *                   held by B, `seized` says so: B empties the segment before it does anything else
 *
 * Taking a lock from an owner that was merely slow does no harm beyond the emptied segment: emptying
 * raises the segment's epoch, records that the old owner still publishes carry the old one, and no
 * reader accepts those. The old owner learns of it at `release` at the latest (see WritePath).
 */
export class SegmentLock {
  readonly #words: Int32Array;
  /** Of the last `acquire`: the lock was taken from another owner, so the segment may be half written. */
  seized = false;
  /** What this owner raised the changes to; odd. */
  #changes = 0;

  constructor(segmentWords: Int32Array) {
    this.#words = segmentWords;
  }

  acquire(): void {
    this.seized = false;
    if (Atomics.compareExchange(this.#words, SEGMENT.lock, FREE, MINE) !== FREE) this.#acquireSlowly();
    this.#begin();
  }

  /** False: the lock had been taken away; nothing that was done since `acquire` counts. */
  release(): boolean {
    const words = this.#words;
    // If the lock was taken away, the changes are the new owner's to count.
    Atomics.compareExchange(words, SEGMENT.changes, this.#changes, (this.#changes + 1) | 0);
    if (Atomics.compareExchange(words, SEGMENT.lock, MINE, FREE) === MINE) {
      failpoint('unlocked');
      return true;
    }
    if (Atomics.compareExchange(words, SEGMENT.lock, MINE | SLEEPERS, FREE) !== (MINE | SLEEPERS))
      return false;
    failpoint('unlocked');
    Atomics.notify(words, SEGMENT.lock, 1);
    return true;
  }

  /** False: another thread has taken it away since `acquire`. True may be over at once, so a plain load is as good. */
  get isHeld(): boolean {
    return ((this.#words[SEGMENT.lock] as number) | SLEEPERS) === (MINE | SLEEPERS);
  }

  /** Takes the lock if that thread holds it. True: it is held now, and `seized`. */
  seize(ownerThreadId: number): boolean {
    const held = Atomics.load(this.#words, SEGMENT.lock);
    if (held >> 1 !== ownerThreadId + 1) return false;
    if (!this.#take(held)) return false;
    this.#begin();
    return true;
  }

  /**
   * Readers that see an odd number look at the slot themselves. They see it before a key gets or loses a value,
   * since each of those stores is atomic, and so a release of what was stored before it.
   *
   * Whoever does this may have lost the lock already. It must not set back what others have counted since, or a
   * number would come again that somebody remembers.
   */
  #begin(): void {
    const words = this.#words;
    for (;;) {
      const changes = words[SEGMENT.changes] as number;
      // It is odd when the last owner did not come to its end.
      this.#changes = ((changes | 1) + (changes & 1) * 2) | 0;
      if (Atomics.compareExchange(words, SEGMENT.changes, changes, this.#changes) === changes) return;
    }
  }

  #take(held: number): boolean {
    if (Atomics.compareExchange(this.#words, SEGMENT.lock, held, MINE | SLEEPERS) !== held) return false;
    this.seized = true;
    return true;
  }

  #acquireSlowly(): void {
    const words = this.#words;
    for (let i = 0; i < SPINS; i += 1) {
      if (Atomics.load(words, SEGMENT.lock) !== FREE) continue;
      if (Atomics.compareExchange(words, SEGMENT.lock, FREE, MINE) === FREE) return;
    }
    // From here on take the lock with SLEEPERS set: others may sleep, and their mark is gone with the
    // owner that woke this thread.
    let owner = 0;
    let changes = 0;
    let since = 0;
    for (;;) {
      const held = Atomics.compareExchange(words, SEGMENT.lock, FREE, MINE | SLEEPERS);
      if (held === FREE) return;
      const now = performance.now();
      const changesNow = Atomics.load(words, SEGMENT.changes);
      if (held >> 1 !== owner || changesNow !== changes) {
        owner = held >> 1;
        changes = changesNow;
        since = now;
      } else if (now - since >= STEAL_AFTER_MS) {
        if (this.#take(held)) return;
        continue;
      }
      const marked = held | SLEEPERS;
      if (held !== marked && Atomics.compareExchange(words, SEGMENT.lock, held, marked) !== held) continue;
      Atomics.wait(words, SEGMENT.lock, marked, Math.max(1, STEAL_AFTER_MS - (now - since)));
    }
  }
}
