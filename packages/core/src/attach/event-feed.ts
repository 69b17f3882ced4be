import type { EngineEvent } from '../events.js';
import { decodeError, type EncodedError, encodeError } from './error-codec.js';

/** Sent to a thread and not yet seen there, at most; a thread that is busy longer loses the others. */
const MAX_UNSEEN = 1_024;

/** An event as plain data: its `error` may be of any class. */
export type EncodedEvent = readonly (readonly [field: string, value: EncodedError])[];

/** The events of the engine that one thread listens to. A port has no bound of its own. */
export class EventFeed {
  readonly #send: (event: EncodedEvent) => void;
  #types: ReadonlySet<string> = new Set();
  #unseen = 0;
  #dropped = 0;

  constructor(send: (event: EncodedEvent) => void) {
    this.#send = send;
  }

  listen(types: readonly string[]): void {
    this.#types = new Set(types);
  }

  offer(event: EngineEvent): void {
    if (!this.#types.has(event.type)) return;
    if (this.#unseen >= MAX_UNSEEN) this.#dropped += 1;
    else this.#emit(event);
  }

  seen(events: number): void {
    this.#unseen -= events;
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#emit({ type: 'attach:events:dropped', events: dropped });
  }

  #emit(event: EngineEvent): void {
    this.#unseen += 1;
    this.#send(Object.entries(event).map(([field, value]) => [field, encodeError(value)]));
  }
}

export function decodeEvent(encoded: EncodedEvent): EngineEvent {
  return Object.fromEntries(encoded.map(([field, value]) => [field, decodeError(value)])) as EngineEvent;
}
