import { workerData } from 'node:worker_threads';
import { BloomBits } from '../dist/bloom/bloom-bits.js';

const bits = BloomBits.attach(workerData.handle);
for (let n = 0; n < 2000; n++) bits.add(`${workerData.thread}:${n}`);
