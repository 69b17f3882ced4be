import type { ZMsg } from '../zmsg.js';

/** On the global object: a launcher and the application may have loaded two copies of this package. */
const OWN_ENGINE = Symbol.for('@zmsg/core own engine');

type Global = { [OWN_ENGINE]?: ZMsg };

/**
 * Makes `zm`, which this thread has opened, what `attach()` without a handle gives in this thread: so an
 * application that attaches runs unchanged beside an engine of its own.
 */
export function setOwnEngine(zm: ZMsg): void {
  (globalThis as Global)[OWN_ENGINE] = zm;
}

export function ownEngine(): ZMsg | undefined {
  return (globalThis as Global)[OWN_ENGINE];
}
