import { appContext, type Launched } from './app-context.js';

/** Which of the threads or processes this is; undefined outside of `zmsg-node start`. */
export function launched(): Launched | undefined {
  const context = appContext();
  if (context === undefined) return undefined;
  const { kind, number, count } = context;
  return { kind, number, count };
}
