export { cutLog, type LogCut } from './cut-log.js';
export {
  inspectLog,
  type LogInspection,
  type SegmentInspection,
  type ShardInspection,
} from './inspect-log.js';
export { createLayout, type LogLayout, readLayout, removeLayout, shardDir } from './layout.js';
