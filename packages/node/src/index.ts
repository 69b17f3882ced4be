export { Random } from './demo/random.js';
export { readTrace } from './demo/trace.js';
export { Zipf } from './demo/zipf.js';
