import type { ShardEvent } from '@zmsg/workers';
import type { ThreadEvent } from './attach/thread-event.js';
import type { BloomEvent } from './bloom/bloom-gate.js';
import type { CoherenceEvent } from './coherence/coherence.js';
import type { DelayEvent } from './delay/delay-queue.js';
import type { LeaseEvent } from './ids/lease-keeper.js';

/** Everything that happens outside of a call's promise, `area:thing:state`. */
export type EngineEvent = ShardEvent | DelayEvent | LeaseEvent | BloomEvent | CoherenceEvent | ThreadEvent;

/** Listener arguments by event name: `zm.on('flush:task:unmatched', (event) => …)`. */
export type EngineEvents = { [E in EngineEvent as E['type']]: [event: E] };
