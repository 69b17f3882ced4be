export { auditFleet } from './audit-fleet.js';
export type { NodeName } from './audit-message.js';
export type { AuditOptions } from './audit-options.js';
export type { AuditedNode, AuditReport, StaleCopy } from './audit-report.js';
export type { Reference } from './judge.js';
