export {
  inspectLog,
  type LogInspection,
  type SegmentInspection,
  type ShardInspection,
} from '@zmsg/workers/log';
export { type AdoptWalOptions, adoptWal } from './adopt-wal.js';
export { cutWal } from './cut-wal.js';
export { type WalDirOptions, walDir } from './wal-dir.js';
