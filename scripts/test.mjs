import { spawnSync } from 'node:child_process';

/** The whole check, in the order in which it is cheapest to fail. Arguments go to vitest. */
const steps = [
  ['turbo', 'run', 'build', '--output-logs=errors-only'],
  ['biome', 'check', '.'],
  ['tsc', '-p', 'tsconfig.tests.json'],
  ['vitest', 'run', ...process.argv.slice(2)],
];

for (const [command, ...args] of steps) {
  const { status, error } = spawnSync(command, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (error !== undefined) console.error(error.message);
  if (status !== 0) {
    if (command !== 'vitest') console.log(`\n0 passed, 1 failed`);
    process.exit(status ?? 1);
  }
}
