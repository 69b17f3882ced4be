export { connectShards } from './attached-shards.js';
export type { Durability } from './durability.js';
export {
  BackpressureError,
  ClosedError,
  FencedError,
  InvalidTaskError,
  InvalidValueError,
  LogError,
  ShardError,
  StoreError,
  ZmsgError,
  type ZmsgErrorCode,
} from './error.js';
export { type DeadLetterTask, deadLetterStatements } from './flush/dead-letter-task.js';
export { type Failure, failureOf } from './flush/failure.js';
export { untagValue } from './flush/tagged-value.js';
export type { AttachHandle } from './producer-handle.js';
export type {
  AttachedShards,
  CallOptions,
  ProducerLink,
  Receipt,
  ShardEvent,
  ShardLogOptions,
  ShardStoreOptions,
  Shards,
  ShardsClient,
  ShardsOptions,
  ShardsStats,
  SubmitOptions,
} from './shards.js';
export { recoverLog, startShards } from './start-shards.js';
export type {
  ContentTask,
  CounterTask,
  MapTask,
  Operand,
  PutTask,
  ReadTask,
  SliceTask,
  Task,
  Where,
  WriteTask,
} from './task.js';
