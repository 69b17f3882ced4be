import { parentPort, workerData } from 'node:worker_threads';
import { connectShards } from '../dist/index.js';

// A thread that writes to the shards of another one: runs the function that it is given the text of.
const { handle, body, data } = workerData;
const common = { batchKey: undefined, orInsert: undefined, text: '', values: [] };
const at = (column, id) => ({
  ...{ ...common, table: 'posts', column },
  where: { text: 'id = ?', parts: ['id = ', ''], values: [id] },
});
const run = new Function(`return (${body})`)();
const result = await run({
  shards: connectShards(handle),
  like: (id, over) => ({ ...at('likes', id), kind: 'counter', op: 'inc', operand: 1, ...over }),
  tag: (id, over) => ({ ...at('tags', id), kind: 'slice', op: 'add', operand: '1', ...over }),
  put: (key, data) => ({ ...common, kind: 'put', key, data }),
  readLikes: (id) => ({ ...at('likes', id), kind: 'counter', op: 'get', key: undefined }),
  data,
  handle,
  post: (message) => parentPort.postMessage(message),
});
parentPort.postMessage({ result });
