import { isMainThread, workerData } from 'node:worker_threads';
import type { EngineEvents } from '../events.js';
import { ZMsg } from '../zmsg.js';
import { AttachedEngine } from './attached-engine.js';
import { ownEngine } from './own-engine.js';
import { checkThreadHandle, type ThreadHandle } from './thread-handle.js';

/** By handle: all modules of a thread get the same engine. */
const attached = new WeakMap<ThreadHandle, Promise<ZMsg>>();

/**
 * The engine of another thread of this process: the same API over the same L1, the same shards and the same
 * sequence of ids. The handle comes from `zm.openThread()` in the thread that opened the engine, and is for one
 * thread; without an argument it is `workerData.zmsg`. Called again in the same thread it gives the same object.
 *
 * `close()` of what it gives ends what this thread has under way and lets go of the engine, which stays open.
 * When the engine itself is closed, every call here rejects with `ClosedError`. In a process of
 * `zmsg-node start --cluster`, which has an engine of its own, it gives that one.
 *
 * @example
 * // main thread
 * const { handle, transferList } = zm.openThread();
 * new Worker(new URL('./app.js', import.meta.url), { workerData: { zmsg: handle }, transferList });
 * // app.js
 * const zm = await attach();
 *
 * @throws (rejects) ConfigError when there is no handle, ClosedError when the engine is closed
 */
export async function attach(handle: ThreadHandle | undefined = handed()): Promise<ZMsg> {
  const own = handle === undefined ? ownEngine() : undefined;
  if (own !== undefined) return own;
  checkThreadHandle(handle);
  const known = attached.get(handle);
  if (known !== undefined) return known;
  const opening = open(handle);
  attached.set(handle, opening);
  return opening;
}

async function open(handle: ThreadHandle): Promise<ZMsg> {
  // Events that come before someone listens are not sent at all.
  let zm: ZMsg | undefined;
  const engine = await AttachedEngine.attach(handle, (event) => {
    zm?.emit(event.type as keyof EngineEvents, event as never);
  });
  zm = new ZMsg(engine);
  return zm;
}

function handed(): ThreadHandle | undefined {
  return isMainThread ? undefined : (workerData as { zmsg?: ThreadHandle } | null)?.zmsg;
}
