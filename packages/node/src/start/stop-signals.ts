import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

export type StopSignal = (typeof SIGNALS)[number];

/**
 * SIGTERM and SIGINT, from now to `dispose()`: the first is handed on, the second ends the process at once
 * with the exit code that shells give to a signal, 128 + its number.
 */
export class StopSignals {
  readonly #onFirst: (signal: StopSignal) => void;
  readonly #onSecond: (signal: StopSignal) => void;
  #received = false;

  constructor(onFirst: (signal: StopSignal) => void, onSecond: (signal: StopSignal) => void) {
    this.#onFirst = onFirst;
    this.#onSecond = onSecond;
    for (const signal of SIGNALS) process.on(signal, this.#receive);
  }

  get received(): boolean {
    return this.#received;
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#receive);
  }

  readonly #receive = (signal: StopSignal): void => {
    if (this.#received) {
      this.#onSecond(signal);
      process.exit(128 + constants.signals[signal]);
    }
    this.#received = true;
    this.#onFirst(signal);
  };
}
