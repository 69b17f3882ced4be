import { workerData } from 'node:worker_threads';
import { setAppContext } from './app-context.js';
import { LaunchError } from './launch-error.js';
import { receiveSocket } from './receive-socket.js';
import { runModule } from './run-module.js';
import type { PortRequest, SharedPort } from './shared-ports.js';
import { StopListeners } from './stop-listeners.js';
import type { FromThread, ThreadData, ToThread } from './thread-messages.js';

/** The first module of an application thread. What it throws ends the thread, and the main thread logs it. */
const { moduleUrl, number, count, port } = (workerData as { zmsgNode: ThreadData }).zmsgNode;

interface Binding {
  resolve(port: SharedPort): void;
  reject(error: LaunchError): void;
}

const stopListeners = new StopListeners();
const bindings = new Map<number, Binding>();
let calls = 0;

function tell(message: FromThread): void {
  port.postMessage(message);
}

function bind(request: PortRequest): Promise<SharedPort> {
  return new Promise((resolve, reject) => {
    const call = calls++;
    bindings.set(call, { resolve, reject });
    port.ref();
    tell({ type: 'bind', call, request });
  });
}

function settle(call: number, settleIt: (binding: Binding) => void): void {
  const binding = bindings.get(call);
  bindings.delete(call);
  if (bindings.size === 0) port.unref();
  if (binding !== undefined) settleIt(binding);
}

async function stop(): Promise<never> {
  for (const error of await stopListeners.run()) tell({ type: 'stop failed', error: cloneable(error) });
  tell({ type: 'stopped' });
  process.exit();
}

/** What can be posted: an error may hold sockets and functions. */
function cloneable(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const copy = new Error(error.message);
  copy.name = error.name;
  if (error.stack !== undefined) copy.stack = error.stack;
  return copy;
}

port.on('message', (message: ToThread) => {
  if (message.type === 'stop') void stop();
  else if (message.type === 'bound') settle(message.call, ({ resolve }) => resolve(message.port));
  else {
    const { message: text, cause } = message;
    settle(message.call, ({ reject }) => reject(new LaunchError('PORT', text, { cause })));
  }
});
port.unref();

setAppContext({
  kind: 'thread',
  number,
  count,
  stopListeners,
  listenOptions: async (request) => {
    const shared = await bind(request);
    return { handle: await receiveSocket(shared), port: shared.port, host: shared.host };
  },
});

await runModule(moduleUrl);
tell({ type: 'ready' });
// Nothing is left to wait for: neither process.exit() nor an error comes by here.
process.once('beforeExit', () => tell({ type: 'finished' }));
