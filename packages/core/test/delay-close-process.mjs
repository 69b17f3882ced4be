import { randomUUID } from 'node:crypto';
import { BullDelayQueue } from '../dist/delay/bull-delay-queue.js';

/* Closes a queue while a job of its is in hand that never ends; then nothing must keep the process alive. */
const [redisAddr, cachePrefix] = process.argv.slice(2);
let onBegun;
const begun = new Promise((resolve) => {
  onBegun = resolve;
});
const queue = await BullDelayQueue.open({
  redisAddr: [redisAddr],
  redisPassword: '',
  redisDb: 0,
  cachePrefix,
  lockMs: 3_600_000,
  closeTimeoutMs: 50,
  writer: {
    apply: () => {
      onBegun();
      return new Promise(() => {});
    },
  },
  onEvent: () => {},
});
await queue.enqueue({ operationId: randomUUID(), key: 'k', task: { text: 'SELECT 1', values: [] } }, 0);
await begun;
await queue.close();
console.log('closed');
