import { appContext } from './app-context.js';

/**
 * Calls `listener` when the application is asked to stop: close servers and finish what is under way. All
 * listeners are called at once; when their promises have settled the thread (or process) ends, at the latest after
 * `--stop-timeout`. The engine closes after the last thread, so calls may be made until then. Outside of
 * `zmsg-node start` it is never called.
 *
 *     onStop(() => fastify.close());
 */
export function onStop(listener: () => unknown): void {
  appContext()?.stopListeners.add(listener);
}
