import { parentPort, workerData } from 'node:worker_threads';
import { IdGenerator } from '../dist/ids/id-generator.js';

const ids = IdGenerator.attach(workerData.handle);
const numbers = new BigInt64Array(workerData.count);
for (let i = 0; i < numbers.length; i++) numbers[i] = BigInt(ids.next());
parentPort.postMessage(numbers, [numbers.buffer]);
