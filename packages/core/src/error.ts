import { ZmsgError } from '@zmsg/workers';

/** A key that is not a non-empty, well-formed string of at most 512 bytes of UTF-8. */
export class InvalidKeyError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('INVALID_KEY', message, options);
  }
}

/** `getOrThrow` found nothing. */
export class NotFoundError extends ZmsgError {
  readonly key: string;

  constructor(key: string) {
    super('NOT_FOUND', `no value for key ${JSON.stringify(key)}`);
    this.key = key;
  }
}

/** A setting that is unknown, of the wrong type or out of range. `key` is its name as it was written. */
export class ConfigError extends ZmsgError {
  readonly key: string | undefined;

  constructor(message: string, options?: ErrorOptions & { key?: string | undefined }) {
    super('CONFIG', message, options);
    this.key = options?.key;
  }
}

/** A migration file that was changed after it was applied, is misnamed, or failed. */
export class MigrationError extends ZmsgError {
  readonly file: string | undefined;

  constructor(message: string, options?: ErrorOptions & { file?: string | undefined }) {
    super('MIGRATION', message, options);
    this.file = options?.file;
  }
}

/** The node-id lease may have expired: no ids until it has a new one. */
export class LeaseLostError extends ZmsgError {
  constructor(message = 'the lease of the node id may have expired', options?: ErrorOptions) {
    super('LEASE_LOST', message, options);
  }
}

/** The clock stepped back by more than is waited out. */
export class ClockError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('CLOCK', message, options);
  }
}

/** The delay queue did not take a job. */
export class QueueError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('QUEUE', message, options);
  }
}

/** The thread that was to answer, such as one with the loader of a prefix, has ended. */
export class ThreadEndedError extends ZmsgError {
  constructor(message: string, options?: ErrorOptions) {
    super('THREAD_ENDED', message, options);
  }
}
