import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import type { Durability, ShardLogOptions, ShardsOptions, ShardsStats, Task } from '../dist/index.js';

export interface Step {
  /** All at once. */
  submit?: Task[];
  durability?: Durability;
  flush?: boolean;
}

export function optionsOf(
  dsn: string,
  log: ShardLogOptions,
  over: Partial<ShardsOptions> = {},
): Omit<ShardsOptions, 'onEvent'> {
  return {
    store: { connectionString: dsn, maxConnections: 4, maxLifetimeMs: 300_000, singleSession: false },
    log,
    shards: 2,
    batchSize: 100_000,
    batchIntervalMs: 600_000,
    ringBytes: 1 << 16,
    pendingMax: 1_000_000,
    pendingMaxBytes: 2 ** 28,
    onFull: 'wait',
    ...over,
  };
}

export interface Crashed {
  /** Operations of the steps that were acknowledged as a whole. */
  acknowledged: number;
  /** At the end of the steps; undefined if it died before. */
  stats: ShardsStats | undefined;
}

/** Carries out the steps in a process of their own, which then is killed. */
export async function crashAfter(
  steps: Step[],
  options: Omit<ShardsOptions, 'onEvent'>,
  env: NodeJS.ProcessEnv = {},
): Promise<Crashed> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./crash-child.mjs', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  child.stdin.end(serialize({ options, steps }));
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [, signal] = await once(child, 'close');
  if (signal !== 'SIGKILL') throw new Error(`the process was not killed but ended by itself: ${errors}`);
  const lines = output.trim().split('\n');
  const last = lines.at(-1) ?? '';
  return {
    acknowledged: lines.reduce((sum, line) => sum + Number(/^acknowledged (\d+)$/.exec(line)?.[1] ?? 0), 0),
    stats: last.startsWith('{') ? (JSON.parse(last) as ShardsStats) : undefined,
  };
}
