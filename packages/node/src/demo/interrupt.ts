const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** As shells count it: 128 + the number of SIGINT. */
const EXIT_CODE_INTERRUPTED = 130;

/**
 * Ctrl-C during a run: the first asks for an early end, the second ends the process at once.
 * `dispose` gives the signals back.
 */
export class Interrupt {
  readonly #onFirst: () => void;
  #requested = false;

  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    for (const signal of SIGNALS) process.on(signal, this.#receive);
  }

  get requested(): boolean {
    return this.#requested;
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#receive);
  }

  readonly #receive = (): void => {
    if (this.#requested) process.exit(EXIT_CODE_INTERRUPTED);
    this.#requested = true;
    this.#onFirst();
  };
}
