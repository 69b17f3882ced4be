import { ZMsg } from '@zmsg/core';
import { launchSettings } from '@zmsg/core/launch';
import { AppThread } from './app-thread.js';
import { closeEngine } from './close-engine.js';
import { EXIT_CODE } from './exit-code.js';
import { warnOfOtherLogs } from './other-logs.js';
import { SharedPorts } from './shared-ports.js';
import type { StartOptions } from './start-options.js';
import { StopSignals } from './stop-signals.js';
import { Supervisor } from './supervisor.js';

/**
 * One engine, in this thread, and the application in `count` threads beside it. Resolves with the exit
 * code when the threads have ended and the engine is closed.
 *
 * @throws LaunchError, and what `ZMsg.open` throws
 */
export async function runThreads(options: StartOptions): Promise<number> {
  const { moduleUrl, args, count, memoryMb, config, stopTimeoutMs } = options;
  const { logger, dataDir } = launchSettings(config);
  warnOfOtherLogs(dataDir, [dataDir], logger);
  const ports = new SharedPorts();
  let supervisor: Supervisor | undefined;
  const signals = new StopSignals(
    (signal) => {
      logger.info({ signal, stopTimeoutMs }, 'stopping');
      supervisor?.stop();
    },
    (signal) => logger.warn({ signal }, 'second signal: ending at once; the log keeps what is not flushed'),
  );
  let exitCode: number = EXIT_CODE.flushed;
  try {
    const zm = await ZMsg.open(config);
    try {
      supervisor = new Supervisor({
        kind: 'thread',
        count,
        logger,
        stopTimeoutMs,
        onStopping: () => ports.close(),
        startUnit: (number, events) => {
          const thread = { moduleUrl, args, number, count, memoryMb, ports, engine: zm.openThread() };
          return new AppThread(thread, events);
        },
      });
      if (!signals.received) await supervisor.run();
    } finally {
      ports.close();
      exitCode = await closeEngine(zm);
    }
  } finally {
    signals.dispose();
  }
  return exitCode;
}
