import type { Logger } from 'pino';
import type { EngineEvent } from './events.js';
import type { ResolvedOptions } from './options/resolved.js';

/** Until the log names the part that keeps `close()` waiting. */
const CLOSING_SLOWLY_MS = 5_000;

/** Opened parts, closed in reverse: on `close()`, or when opening fails half-way. */
export class Opened {
  readonly #closers: { part: string; close: () => unknown }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  onClose(part: string, close: () => unknown): void {
    this.#closers.push({ part, close });
  }

  /** Closes everything even if some of it fails; then throws the first failure. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const { part, close } of this.#closers.splice(0).reverse()) {
      const slow = setTimeout(() => this.#logger.warn({ part }, 'closing takes long'), CLOSING_SLOWLY_MS);
      try {
        await close();
      } catch (error) {
        failures.push(error);
      } finally {
        clearTimeout(slow);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** What every part of an engine is opened with. */
export interface Opening {
  readonly options: ResolvedOptions;
  readonly logger: Logger;
  readonly opened: Opened;
  readonly onEvent: (event: EngineEvent) => void;
}
