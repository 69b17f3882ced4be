// What an operation in a log means to a database.
export { canonicalKey, type KeyType } from '../aggregate/row-key.js';
export { ShapeInterner } from '../codec/shape-interner.js';
export { Columns, type ShapeColumns } from '../flush/columns.js';
export {
  addDecimals,
  type Decimal,
  formatDecimal,
  negateDecimal,
  parseDecimal,
  ZERO,
} from '../fold/decimal.js';
export type { AggregatedOperation, Operation, Shape } from '../operation.js';
export { cutLog, type LogCut } from './cut-log.js';
export {
  inspectLog,
  type LogInspection,
  type SegmentInspection,
  type ShardInspection,
} from './inspect-log.js';
export { createLayout, type LogLayout, readLayout, removeLayout, shardDir } from './layout.js';
export { type PendingLog, type PendingLogOptions, readPendingLog } from './pending-log.js';
