import { parentPort, workerData } from 'node:worker_threads';
import { connectShards } from '../dist/index.js';

// A thread that writes to the shards of another one: runs the function that it is given the text of.
const { handle, body, data } = workerData;
const common = { batchKey: undefined, orInsert: undefined, text: '', values: [] };
const where = (id) => ({ text: 'id = ?', parts: ['id = ', ''], values: [id] });
const shards = connectShards(handle);
const like = (id, over) => ({
  ...common,
  ...{ kind: 'counter', table: 'posts', column: 'likes', op: 'inc', operand: 1, where: where(id) },
  ...over,
});
const run = new Function(`return (${body})`)();
const result = await run({ shards, like, data, post: (message) => parentPort.postMessage(message) });
parentPort.postMessage({ result });
