export type {
  LedgerFinding,
  LedgerVerification,
  NodeVerification,
  OtherLog,
  Problem,
  VerifiedLog,
  VerifiedShard,
} from './verification.js';
export { type VerifyOptions, verifyNode } from './verify-node.js';
