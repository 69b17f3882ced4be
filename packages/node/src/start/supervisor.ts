import type { LaunchSettings } from '@zmsg/core/launch';
import type { LaunchError } from './launch-error.js';
import { Slot, type SlotEnd } from './slot.js';
import type { StartUnit } from './unit.js';

export interface SupervisorOptions {
  /** What is supervised; also the name of the field of log lines that holds its number. */
  readonly kind: 'thread' | 'process';
  readonly count: number;
  readonly startUnit: StartUnit;
  readonly logger: LaunchSettings['logger'];
  /** How long they have to stop before they are killed. */
  readonly stopTimeoutMs: number;
  /** Once, before they are asked to stop, for whatever reason. */
  readonly onStopping?: () => void;
}

const PLURAL = { thread: 'threads', process: 'processes' } as const;

/**
 * Keeps `count` threads or processes running until they are asked to stop, have all finished, or one of
 * them cannot be brought up: then all stop.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[];
  readonly #neverReady: Set<number>;
  #stopping = false;
  #stopTimer: NodeJS.Timeout | undefined;
  #failure: LaunchError | undefined;
  #allEnded = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const numbers = Array.from({ length: options.count }, (_, index) => index + 1);
    this.#neverReady = new Set(numbers);
    this.#slots = numbers.map((number) => this.#slot(number));
  }

  /**
   * Starts all of them; resolves when all have ended.
   * @throws LaunchError `APP_NOT_READY`, after the others have been stopped
   */
  async run(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#allEnded = resolve;
    });
    for (const slot of this.#slots) slot.start();
    await ended;
    clearTimeout(this.#stopTimer);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Asks all to stop, and kills those that have not after the stop timeout. Again: nothing more. */
  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#options.onStopping?.();
    this.#stopTimer = setTimeout(() => this.#killSlow(), this.#options.stopTimeoutMs);
    for (const slot of this.#slots) slot.stop();
  }

  /** Kills all that are left. */
  kill(): void {
    for (const slot of this.#slots) slot.kill();
  }

  #killSlow(): void {
    const { logger, kind, stopTimeoutMs } = this.#options;
    this.#slots.forEach((slot, index) => {
      if (slot.hasEnded) return;
      logger.warn({ [kind]: index + 1, stopTimeoutMs }, `${kind} did not stop in time and is killed`);
      slot.kill();
    });
  }

  #slot(number: number): Slot {
    const { kind, logger, startUnit } = this.#options;
    const it = { [kind]: number };
    return new Slot(`${kind} ${number}`, number, startUnit, {
      ready: () => this.#ready(number),
      crashed: (error, restartInMs) => logger.error({ ...it, err: error, restartInMs }, `${kind} crashed`),
      stopFailed: (error) => logger.error({ ...it, err: error }, `${kind} failed while stopping`),
      stuck: () => logger.error(it, `${kind} was killed and is not gone; it is given up`),
      ended: (end) => this.#ended(number, end),
    });
  }

  #ready(number: number): void {
    const { kind, count, logger } = this.#options;
    logger.info({ [kind]: number }, `${kind} ready`);
    if (this.#neverReady.delete(number) && this.#neverReady.size === 0) {
      logger.info({ count }, `all ${PLURAL[kind]} are ready`);
    }
  }

  #ended(number: number, end: SlotEnd): void {
    const { kind, logger } = this.#options;
    const it = { [kind]: number };
    if (end.how === 'finished') {
      logger.info(it, `${kind} finished: its module left nothing to wait for`);
    } else if (end.how === 'gave up') {
      logger.fatal({ ...it, err: end.error }, 'giving up');
      this.#failure ??= end.error;
      this.stop();
    } else {
      logger.info(it, `${kind} ${end.how}`);
    }
    if (this.#slots.every((slot) => slot.hasEnded)) this.#allEnded();
  }
}
