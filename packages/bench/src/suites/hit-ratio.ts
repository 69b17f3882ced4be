import { basename } from 'node:path';
import { readTrace } from '@zmsg/node';
import { atLeast } from '../bar.js';
import { generatedLoads } from '../hit-ratio/generated-loads.js';
import { type Load, loadOf } from '../hit-ratio/load.js';
import { beladyHits } from '../hit-ratio/policies/belady.js';
import { Fifo } from '../hit-ratio/policies/fifo.js';
import { Lru } from '../hit-ratio/policies/lru.js';
import type { PolicyMaker } from '../hit-ratio/policies/policy.js';
import { S3Fifo } from '../hit-ratio/policies/s3-fifo.js';
import { Sieve } from '../hit-ratio/policies/sieve.js';
import { WTinyLfu } from '../hit-ratio/policies/w-tiny-lfu.js';
import { playOnSharedLru, sharedLruRoom } from '../hit-ratio/shared-lru-room.js';
import type { Figure, SuiteResult } from '../result.js';
import type { LocalSuite } from '../suite.js';

const REFERENCES: readonly [string, PolicyMaker][] = [
  ['FIFO', Fifo],
  ['LRU', Lru],
  ['SIEVE', Sieve],
  ['S3-FIFO', S3Fifo],
  ['W-TinyLFU', WTinyLfu],
];
const BELOW_LRU = 0.5;
const QUICK_ACCESSES = 100_000;

export interface HitRatioOptions {
  /** Trace files; generated loads when there are none. */
  traces: readonly string[];
  /** Entries that fit. */
  rooms: readonly number[];
  /** Of longer traces only the beginning is played. */
  accesses: number;
}

/** Who stays: the hit ratio of a real SharedLRU beside those of plain policies with as many entries. */
export function hitRatio(options: HitRatioOptions): LocalSuite {
  return {
    name: 'hit-ratio',
    async runLocally({ quick }) {
      const accesses = quick ? Math.min(QUICK_ACCESSES, options.accesses) : options.accesses;
      const loads = await loadsOf(options.traces, accesses);
      return measure(loads, options.rooms);
    },
  };
}

async function loadsOf(traces: readonly string[], accesses: number): Promise<Load[]> {
  if (traces.length === 0) return generatedLoads(accesses);
  return Promise.all(traces.map((file) => loadOfTrace(file, accesses)));
}

async function loadOfTrace(file: string, accesses: number): Promise<Load> {
  const keys: number[] = [];
  for await (const block of readTrace(file)) {
    for (const key of block) keys.push(key);
    if (keys.length >= accesses) break;
  }
  return loadOf(basename(file).replace(/(\.trace)?(\.xz)?$/, ''), keys, accesses);
}

function measure(loads: readonly Load[], rooms: readonly number[]): SuiteResult {
  const sharedRooms = new Map(rooms.map((room) => [room, sharedLruRoom(room)]));
  const figures: Figure[] = [];
  const againstLru: number[] = [];
  const againstS3Fifo: number[] = [];
  for (const load of loads) {
    for (const [room, sharedRoom] of sharedRooms) {
      const percent = (hits: number) => (100 * hits) / load.accesses.length;
      const { hits, held } = playOnSharedLru(load, sharedRoom);
      const ratios = new Map(
        REFERENCES.map(([name, Reference]) => [name, percent(play(load, new Reference(load.keys, room)))]),
      );
      ratios.set('optimum', percent(beladyHits(load, room)));
      againstLru.push(percent(hits) - (ratios.get('LRU') as number));
      againstS3Fifo.push(percent(hits) - (ratios.get('S3-FIFO') as number));
      figures.push({
        id: `hit-ratio.${load.name}.${room}`,
        name: `${load.name}, ${room.toLocaleString('en-US')} entries`,
        value: percent(hits),
        unit: '%',
        note: `${[...ratios].map(([name, ratio]) => `${name} ${ratio.toFixed(2).padStart(5)}`).join('  ')}  (held ${held.toLocaleString('en-US')})`,
      });
    }
  }
  const worst = Math.min(...againstLru);
  const mean = againstS3Fifo.reduce((sum, points) => sum + points, 0) / againstS3Fifo.length;
  return {
    name: 'hit-ratio',
    title: 'Hit ratio of SharedLRU, beside policies with room for as many entries',
    contests: [],
    figures,
    bars: [
      atLeast('hit-ratio.lru', 'against LRU, where it compares worst', worst, -BELOW_LRU, 'points'),
      atLeast('hit-ratio.s3-fifo', 'against S3-FIFO, on average', mean, 0, 'points'),
    ],
  };
}

function play({ accesses }: Load, policy: InstanceType<PolicyMaker>): number {
  let hits = 0;
  for (let at = 0; at < accesses.length; at += 1) if (policy.access(accesses[at] as number)) hits += 1;
  return hits;
}
