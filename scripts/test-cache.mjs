import { spawnSync } from 'node:child_process';

/** The proof of the shared cache, long: `pnpm test:cache [OPERATIONS]`. */
const [operations = '100000000', ...args] = process.argv.slice(2);
const count = Number(operations);
if (!Number.isSafeInteger(count) || count < 1) {
  console.error(`pnpm test:cache [OPERATIONS]: a number of operations, not ${operations}`);
  process.exit(2);
}
const env = {
  SHARED_LRU_SEED: String(Math.floor(Math.random() * 2 ** 31)),
  ...process.env,
  SHARED_LRU_OPERATIONS: operations,
  SHARED_LRU_MODEL_RUNS: String(Math.max(50, Math.min(2000, Math.ceil(count / 20_000)))),
};
console.log(`${operations} operations, SHARED_LRU_SEED=${env.SHARED_LRU_SEED}`);
for (const [command, ...rest] of [
  ['turbo', 'run', 'build', '--output-logs=errors-only'],
  [
    'vitest',
    'run',
    ...['concurrency', 'linearizability', 'model', 'steps', 'termination'].map(
      (name) => `packages/sharedarraybuffer-lru/test/${name}`,
    ),
    ...args,
  ],
]) {
  const { status } = spawnSync(command, rest, { stdio: 'inherit', env });
  if (status !== 0) process.exit(status ?? 1);
}
