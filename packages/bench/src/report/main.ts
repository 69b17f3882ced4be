import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RunFileError, readRun } from '../run-file.js';
import { MarkersMissingError, withTable } from './readme.js';
import { report } from './report.js';

const LATEST = fileURLToPath(new URL('../../results/latest.json', import.meta.url));
const OUT = 'bench-report';
const USAGE = `pnpm report [FILE.json] [--out DIR]
pnpm report --readme README.md [FILE.json]

Makes a page and charts out of the figures of pnpm bench --json FILE.json (packages/bench/results/latest.json).
  --out DIR       where index.html and the SVG files go (${OUT})
  --readme FILE   instead: the table between <!-- bench:begin --> and <!-- bench:end --> of this file`;

try {
  main();
} catch (error) {
  if (!isExpected(error)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

function main(): void {
  const { values, positionals } = parseArgs({
    options: {
      out: { type: 'string' },
      readme: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help || positionals.length > 1 || (values.out !== undefined && values.readme !== undefined)) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const run = readRun(positionals[0] ?? LATEST);
  if (values.readme !== undefined) {
    const before = readFileSync(values.readme, 'utf8');
    const after = withTable(before, run, values.readme);
    if (after !== before) writeFileSync(values.readme, after);
    console.log(`${values.readme}: ${after === before ? 'is as it should be' : 'written'}`);
    return;
  }
  const dir = values.out ?? OUT;
  mkdirSync(dir, { recursive: true });
  const files = report(run);
  for (const [name, content] of files) writeFileSync(join(dir, name), content);
  console.log(`${join(dir, 'index.html')} and ${files.size - 1} charts`);
}

/** What the arguments are to blame for. */
function isExpected(error: unknown): error is Error {
  if (error instanceof RunFileError || error instanceof MarkersMissingError) return true;
  const { code = '' } = error as NodeJS.ErrnoException;
  return code.startsWith('ERR_PARSE_ARGS') || ['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR'].includes(code);
}
