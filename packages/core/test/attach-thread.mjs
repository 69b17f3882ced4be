import { parentPort, threadId } from 'node:worker_threads';
import * as core from '../dist/index.js';

/** Runs the functions that a test posts, one after the other or side by side, with the attached engine. */
const zm = await core.attach();
parentPort.on('message', async ({ id, source, argument }) => {
  try {
    const body = new Function(`return (${source})`)();
    parentPort.postMessage({ id, value: await body(zm, argument, core, (url) => import(url)) });
  } catch (error) {
    parentPort.postMessage({ id, failure: `${error?.stack}` });
  }
});
parentPort.postMessage({ id: 0, value: threadId });
