import type { CallPort } from './call-port.js';
import type { OwnerCalls } from './owner-calls.js';
import type { ThreadCalls } from './thread-calls.js';

/** A thread's port to the owner of the engine. */
export type OwnerPort = CallPort<OwnerCalls, ThreadCalls>;
