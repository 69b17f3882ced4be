import { spawnSync } from 'node:child_process';

/** The property tests of aggregation and of the log, long: `pnpm test:properties [SEQUENCES]`. */
const [sequences = '5000', ...args] = process.argv.slice(2);
const env = { ...process.env, ZMSG_PROPERTY_RUNS: sequences };
for (const [command, ...rest] of [
  ['turbo', 'run', 'build', '--output-logs=errors-only'],
  [
    'vitest',
    'run',
    ...['flush', 'shard', 'poison', 'log'].map((name) => `packages/workers/test/${name}-property`),
    ...args,
  ],
]) {
  const { status } = spawnSync(command, rest, { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
