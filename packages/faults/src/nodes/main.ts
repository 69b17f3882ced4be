import { parseArgs } from 'node:util';
import { auditFleet } from './audit-fleet.js';
import { formatAudit } from './audit-report.js';
import { BOUND_MS } from './bound.js';
import { NODE_FAULTS } from './node-faults.js';
import { isRedisKind } from './redis-fleet.js';

const USAGE = `pnpm test:nodes [--reads N] [--rounds N] [--nodes K] [--redis single|cluster|sentinel] [--fault NAME,…] [--seed S] [--list]

Runs several nodes in processes of their own over one Redis and one PostgreSQL, breaks all of them, and audits
every read: none may be older than the bound, or wrong.
  --reads N     at least so many reads are audited            (1000000)
  --rounds N    at least so many rounds of faults             (8)
  --nodes K     node processes                                (3)
  --redis KIND  single; cluster: three masters; sentinel: a master and its replica (single)
  --fault NAME  only this one; several separated by commas, or none
  --read-rate N, --write-rate N   of each node, a second      (20000, 60)
  --seed S      the faults of a run that printed S
  --list        the faults

Exit code 1: a read was stale beyond the bound, or wrong; a message was missed where nothing failed; a process died.`;

const EXIT_INTERRUPTED = 130;

const { values } = parseArgs({
  options: {
    reads: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '8' },
    nodes: { type: 'string', default: '3' },
    redis: { type: 'string', default: 'single' },
    fault: { type: 'string' },
    'read-rate': { type: 'string', default: '20000' },
    'write-rate': { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (values.list) {
  const width = Math.max(...NODE_FAULTS.map(({ name }) => name.length));
  for (const { name, title } of NODE_FAULTS) console.log(`${name.padEnd(width)}  ${title}`);
  process.exit(0);
}
const faults = values.fault === 'none' ? [] : values.fault?.split(',');
const unknown = faults?.find((name) => !NODE_FAULTS.some((fault) => fault.name === name));
if (unknown !== undefined) refuse(`There is no fault ${unknown}; --list names them.`);
const { redis } = values;
if (!isRedisKind(redis)) refuse('--redis takes single, cluster or sentinel.');
const seed = number('seed');

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(EXIT_INTERRUPTED);
    interrupt.abort(new Error('interrupted'));
  });
}

console.log(`seed ${seed}\n`);
const started = performance.now();
try {
  const result = await auditFleet({
    seed,
    slots: number('nodes'),
    redis,
    readRate: number('read-rate'),
    writeRate: number('write-rate'),
    reads: number('reads'),
    rounds: number('rounds'),
    faultyMs: 15_000,
    quietMs: 6_000,
    faults,
    boundMs: BOUND_MS,
    signal: interrupt.signal,
    onRound: (round, { total, counts }) => {
      const seconds = Math.round((performance.now() - started) / 1000);
      const wrong = Object.values(counts).some((count) => count > 0);
      console.log(`round ${round}: ${total} reads after ${seconds} s${wrong ? ', WRONG' : ''}`);
    },
  });
  console.log(`\n${formatAudit(result, seed, BOUND_MS)}`);
  process.exit(result.judge.findings.length + result.complaints.length > 0 ? 1 : 0);
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  console.log('interrupted');
  process.exit(EXIT_INTERRUPTED);
}

function number(option: 'reads' | 'rounds' | 'nodes' | 'read-rate' | 'write-rate' | 'seed'): number {
  const text = values[option] as string;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && text.trim() !== '') return value;
  return refuse(`--${option} takes a whole number, not ${text}.`);
}

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}
