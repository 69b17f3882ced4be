import { join } from 'node:path';
import { launchSettings } from '@zmsg/core/launch';
import { AppProcess } from './app-process.js';
import { EXIT_CODE } from './exit-code.js';
import { LaunchError } from './launch-error.js';
import { warnOfOtherLogs } from './other-logs.js';
import type { StartOptions } from './start-options.js';
import { StopSignals } from './stop-signals.js';
import { Supervisor } from './supervisor.js';

/** Steps of closing an engine that may each take `shutdown_timeout`: calls under way, shards, connections. */
const CLOSING_STEPS = 3;
const EXIT_MS = 5_000;

/**
 * The application in `count` processes, each with an engine of its own that keeps its log in
 * `data_dir/<number>`. Resolves with the exit code when all have ended.
 *
 * @throws LaunchError, ConfigError
 */
export async function runCluster(options: StartOptions): Promise<number> {
  const { memoryMb, stopTimeoutMs, ...start } = options;
  const { logger, dataDir, isEmbedded, hasL2, shutdownTimeoutMs } = launchSettings(start.config);
  if (isEmbedded) {
    const what = '--cluster needs postgres_dsn: each process would start an embedded PostgreSQL of its own';
    throw new LaunchError('CLUSTER_EMBEDDED', what);
  }
  if (!hasL2 && start.count > 1) {
    logger.warn('no redis_addr: what one process writes, the others may go on reading from their old cache');
  }
  const dirOf = (number: number) => join(dataDir, String(number));
  const dirs = Array.from({ length: start.count }, (_, index) => dirOf(index + 1));
  warnOfOtherLogs(dataDir, dirs, logger);
  const exitCodes = new Map<number, number | null>();
  const supervisor = new Supervisor({
    kind: 'process',
    count: start.count,
    logger,
    stopTimeoutMs: stopTimeoutMs + CLOSING_STEPS * shutdownTimeoutMs + EXIT_MS,
    startUnit: (number, events) =>
      new AppProcess(
        {
          data: { ...start, number, stopTimeoutMs },
          dataDir: dirOf(number),
          memoryMb,
          onExit: (code) => exitCodes.set(number, code),
        },
        events,
      ),
  });
  const signals = new StopSignals(
    (signal) => {
      logger.info({ signal, stopTimeoutMs }, 'stopping');
      supervisor.stop();
    },
    (signal) => {
      logger.warn({ signal }, 'second signal: ending at once; the logs keep what is not flushed');
      supervisor.kill();
    },
  );
  try {
    await supervisor.run();
  } finally {
    signals.dispose();
  }
  return [...exitCodes.values()].every((code) => code === EXIT_CODE.flushed)
    ? EXIT_CODE.flushed
    : EXIT_CODE.notFlushed;
}
