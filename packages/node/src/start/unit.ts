/** An application module that runs, once, in a thread or a process. */
export interface Unit {
  /** Asks it to stop; it ends when its `onStop` listeners have settled. */
  stop(): void;
  /** Ends it now. */
  kill(): void;
}

export type UnitEnd =
  /** Nothing was left for the module to do. */
  | { readonly how: 'finished' }
  /** It had been asked to. */
  | { readonly how: 'stopped' }
  | { readonly how: 'crashed'; readonly error: unknown };

export interface UnitEvents {
  /** The module has been loaded, and the promise of its default export has resolved. At most once. */
  ready(): void;
  /** A listener of `onStop` threw. */
  stopFailed(error: unknown): void;
  /** Exactly once, and last. */
  ended(end: UnitEnd): void;
}

/** Starts unit `number`, from 1. Never throws: what fails is its `ended`. */
export type StartUnit = (number: number, events: UnitEvents) => Unit;
