import type { ZMsg } from '@zmsg/core';
import { EXIT_CODE } from './exit-code.js';

/** Flushes and closes; resolves with the exit code. Why something could not be flushed, the engine has logged. */
export async function closeEngine(zm: ZMsg): Promise<number> {
  return zm.close().then(
    () => EXIT_CODE.flushed,
    () => EXIT_CODE.notFlushed,
  );
}
