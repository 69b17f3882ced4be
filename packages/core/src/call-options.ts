import type { Durability } from '@zmsg/workers';
import type { Duration } from './options/duration.js';
import type { WaitOptions } from './store/store.js';

export interface CacheOptions extends WaitOptions {
  /** Time to live, milliseconds or text such as `'1h30m'`. @default the configured `default_ttl` */
  ttl?: Duration;
}

export interface DelayOptions extends CacheOptions {
  /** The write happens this much later. @default 0 */
  delay?: Duration;
}

export interface PeriodicOptions extends CacheOptions {
  /** When the call resolves, and what the write then survives. @default the configured `wal_sync` */
  durability?: Durability;
}
