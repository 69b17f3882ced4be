export { ClosedError, StoreError, ZmsgError, type ZmsgErrorCode } from '@zmsg/workers';
export {
  ClockError,
  ConfigError,
  InvalidKeyError,
  LeaseLostError,
  MigrationError,
  NotFoundError,
  QueueError,
} from './error.js';
export { ZMsg } from './zmsg.js';
