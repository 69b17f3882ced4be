export { setOwnEngine } from '../attach/own-engine.js';
export { MAX_TIMER_MS, parseDuration } from '../options/duration.js';
export { type LaunchSettings, launchSettings } from './launch-settings.js';
