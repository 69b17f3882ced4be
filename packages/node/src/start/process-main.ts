import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { ZMsg } from '@zmsg/core';
import { setOwnEngine } from '@zmsg/core/launch';
import { setAppContext } from './app-context.js';
import { closeEngine } from './close-engine.js';
import { errorText, type FromProcess, type ProcessData, type ToProcess } from './process-messages.js';
import { runModule } from './run-module.js';
import { StopListeners } from './stop-listeners.js';

/** The first module of a process of `--cluster`: opens its engine and runs the application beside it. */
const data = JSON.parse(process.argv[2] ?? '') as ProcessData;
const { moduleUrl, args, number, count, config, stopTimeoutMs } = data;
process.argv.splice(1, 2, fileURLToPath(moduleUrl), ...args);

const stopListeners = new StopListeners();
let opening: Promise<ZMsg> | undefined;
let stopping = false;

/** Resolves when it has been handed over, or never will be: the primary is gone. */
function tell(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected && process.send !== undefined) {
      process.send(message, undefined, {}, () => resolve());
    } else resolve();
  });
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  const timer = new Promise<[]>((resolve) => setTimeout(resolve, stopTimeoutMs, []));
  const errors = await Promise.race([stopListeners.run(), timer]);
  for (const error of errors) await tell({ type: 'stop failed', error: errorText(error) });
  const zm = await opening;
  const exitCode = zm === undefined ? 0 : await closeEngine(zm);
  await tell({ type: 'stopped' });
  process.exit(exitCode);
}

// A terminal sends SIGINT to all processes of the group; the primary tells what comes of it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => void stop());
// The primary is gone. Without this flag node:cluster would end the process here, unflushed.
if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
process.on('disconnect', () => void stop());
process.on('message', (message: Partial<ToProcess>) => {
  if (message.type === 'stop') void stop();
});
await tell({ type: 'listening' });
process.on('uncaughtExceptionMonitor', (error) => void tell({ type: 'crashed', error: errorText(error) }));

setAppContext({
  kind: 'process',
  number,
  count,
  stopListeners,
  // node:cluster shares what its processes listen on.
  listenOptions: async ({ port, host }) => (host === undefined ? { port } : { port, host }),
});

opening = ZMsg.open(config);
setOwnEngine(await opening);
if (!stopping) {
  await runModule(moduleUrl);
  await tell({ type: 'ready' });
}
