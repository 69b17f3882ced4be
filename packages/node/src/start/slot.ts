import { Backoff } from './backoff.js';
import { LaunchError } from './launch-error.js';
import type { StartUnit, Unit, UnitEnd } from './unit.js';

/** So many crashes in a row before the module was ready are no accident. */
const MAX_FAILED_STARTS = 5;
/** For the system to take back a thread or process that was killed. */
const KILL_TIMEOUT_MS = 5_000;

export interface SlotEvents {
  ready(): void;
  crashed(error: unknown, restartInMs: number): void;
  /** It crashed while it was stopping, or its listener of `onStop` threw. */
  stopFailed(error: unknown): void;
  /** It neither stopped in time nor was gone when it had been killed. */
  stuck(): void;
  /** Exactly once, and last. */
  ended(end: SlotEnd): void;
}

export type SlotEnd =
  | { readonly how: 'finished' | 'stopped' | 'killed' }
  | { readonly how: 'gave up'; readonly error: LaunchError };

/**
 * Keeps one thread or process of the application running.
 *
 *     starting ──ready──▶ running ──crash──▶ waiting ──▶ starting …
 *        │                   │                  │
 *        ├──crash──▶ waiting, or ended after 5 of them in a row
 *        │                   │                  │
 *        └──finished, stop───┴──────stop────────┴──▶ ended
 */
export class Slot {
  readonly #name: string;
  readonly #number: number;
  readonly #startUnit: StartUnit;
  readonly #events: SlotEvents;
  readonly #backoff = new Backoff();
  #unit: Unit | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Monotonic, milliseconds; undefined: it is not ready. */
  #readyAt: number | undefined;
  #failedStarts = 0;
  #stopping = false;
  #killed = false;
  #ended = false;

  /** @param name For messages, such as `thread 2`. */
  constructor(name: string, number: number, startUnit: StartUnit, events: SlotEvents) {
    this.#name = name;
    this.#number = number;
    this.#startUnit = startUnit;
    this.#events = events;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  start(): void {
    this.#readyAt = undefined;
    this.#unit = this.#startUnit(this.#number, {
      ready: () => {
        this.#readyAt = performance.now();
        this.#failedStarts = 0;
        this.#events.ready();
      },
      stopFailed: (error) => this.#events.stopFailed(error),
      ended: (end) => this.#unitEnded(end),
    });
  }

  /** Asks it to stop. What crashes from now on is not restarted. */
  stop(): void {
    if (this.#stopping || this.#ended) return;
    this.#stopping = true;
    clearTimeout(this.#timer);
    if (this.#unit === undefined) this.#end({ how: 'stopped' });
    else this.#unit.stop();
  }

  /** Ends it, after `stop()`. */
  kill(): void {
    if (this.#killed || this.#ended) return;
    this.#killed = true;
    this.#timer = setTimeout(() => {
      this.#events.stuck();
      this.#end({ how: 'killed' });
    }, KILL_TIMEOUT_MS);
    this.#unit?.kill();
  }

  #unitEnded(end: UnitEnd): void {
    this.#unit = undefined;
    if (this.#killed) this.#end({ how: 'killed' });
    else if (end.how !== 'crashed') this.#end(end);
    else if (this.#stopping) {
      this.#events.stopFailed(end.error);
      this.#end({ how: 'stopped' });
    } else this.#crashed(end.error);
  }

  #crashed(error: unknown): void {
    const ranMs = this.#readyAt === undefined ? 0 : performance.now() - this.#readyAt;
    if (this.#readyAt === undefined) this.#failedStarts += 1;
    if (this.#failedStarts >= MAX_FAILED_STARTS) {
      const what = `${this.#name} crashed ${this.#failedStarts} times in a row before it was ready`;
      const last = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const giveUp = new LaunchError('APP_NOT_READY', `${what}, at last with: ${last}`, { cause: error });
      this.#end({ how: 'gave up', error: giveUp });
      return;
    }
    const delayMs = this.#backoff.next(ranMs);
    this.#events.crashed(error, delayMs);
    this.#timer = setTimeout(() => this.start(), delayMs);
  }

  #end(end: SlotEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#events.ended(end);
  }
}
