import { Worker } from 'node:worker_threads';
import type { ReaderTask } from './reader-task.js';
import type { StartReader } from './reader-threads.js';

/** Readers that share nothing, with their names. */
export const CONTROLS = {
  lru: 'control: an lru-cache per thread',
  map: 'control: a Map per thread',
  spin: 'control: loop in registers',
} as const;

export type Control = keyof typeof CONTROLS;

export interface ControlTask {
  task: ReaderTask;
  control: Control;
}

export function startControl(control: Control): StartReader {
  return (task) =>
    new Worker(new URL('./control-thread.js', import.meta.url), {
      workerData: { task, control } satisfies ControlTask,
    });
}
