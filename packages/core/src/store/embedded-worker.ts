import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { EmbeddedCommand, EmbeddedReport, EmbeddedWorkerData } from './embedded-messages.js';
import { EmbeddedServer } from './embedded-server.js';

/** The thread of the embedded database: PGlite runs queries synchronously and would block any other. */
const data = workerData as EmbeddedWorkerData;
const report = (message: EmbeddedReport) => parentPort?.postMessage(message);

/** The database is not usable any more: the thread ends, and is started again over the same files. */
function fail(error: unknown): void {
  report({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

try {
  const database = await PGlite.create({ dataDir: data.dir });
  const server = await EmbeddedServer.start({ database, ...data, onBroken: fail });
  parentPort?.on('message', (command: EmbeddedCommand) => {
    if (command.type === 'close') close(database, server).catch(fail);
  });
  report({ type: 'ready', port: server.port });
} catch (error) {
  fail(error);
}

async function close(database: PGlite, server: EmbeddedServer): Promise<void> {
  await server.close();
  await database.close();
  report({ type: 'closed' });
  parentPort?.close();
}
