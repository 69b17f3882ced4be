import { workerData } from 'node:worker_threads';
import { IdGenerator } from '@zmsg/core/ids';
import type { IssuingTask } from './issuing-task.js';

const STRIDE = 64;

const { handle, control, number } = workerData as IssuingTask;
const words = new Int32Array(control);
const ids = IdGenerator.attach(handle);

while (Atomics.load(words, 0) === 0) {
  for (let i = 0; i < STRIDE; i++) if (ids.next('feed') === '') throw new Error('no id');
  Atomics.add(words, 1 + number, STRIDE);
}
