import { spawnSync } from 'node:child_process';

/** `node scripts/run-built.mjs FILE [ARGS]`: builds what is out of date, then runs FILE. */
const [file, ...args] = process.argv.slice(2);
const build = spawnSync('turbo', ['run', 'build', '--output-logs=errors-only'], {
  stdio: ['ignore', 'pipe', 'pipe'],
  encoding: 'utf8',
});
if (build.status !== 0) {
  console.error(build.error?.message ?? `${build.stdout}${build.stderr}`);
  process.exit(1);
}
// Ctrl-C reaches FILE too, which decides what it means; this process waits for it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
const { status } = spawnSync(process.execPath, [file, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);
