import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RunFileError, readRun } from '../run-file.js';
import { analysis } from './analysis.js';

const LATEST = fileURLToPath(new URL('../../results/latest.json', import.meta.url));
const USAGE = `pnpm analyse [FILE.json] [--out FILE.md]

Says in words where zmsg wins, by how much, where it does not, and when not to use it, from the figures of
pnpm bench --json FILE.json (packages/bench/results/latest.json).
  --out FILE.md   instead of standard output`;

try {
  main();
} catch (error) {
  const { code = '' } = error as NodeJS.ErrnoException;
  const isExpected = error instanceof RunFileError || code.startsWith('ERR_PARSE_ARGS') || code === 'ENOENT';
  if (!isExpected) throw error;
  console.error((error as Error).message);
  process.exitCode = 2;
}

function main(): void {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string' }, help: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  if (values.help || positionals.length > 1) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const text = analysis(readRun(positionals[0] ?? LATEST));
  if (values.out === undefined) process.stdout.write(text);
  else writeFileSync(values.out, text);
}
