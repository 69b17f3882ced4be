export { Random } from './demo/random.js';
export { readTrace } from './demo/trace.js';
export { Zipf } from './demo/zipf.js';
export type { Launched, SharedListenOptions } from './start/app-context.js';
export { LaunchError, type LaunchErrorCode } from './start/launch-error.js';
export { launched } from './start/launched.js';
export { onStop } from './start/on-stop.js';
export { type SharedListenRequest, sharedListen } from './start/shared-listen.js';
