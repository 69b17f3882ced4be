import { attachedReaders, fillReadKeys } from '../cache/attached-readers.js';
import { readerNames, readRates } from '../cache/read-rates.js';
import { number } from '../format.js';
import type { Curve } from '../result.js';
import type { Stage } from '../stage.js';

const HOT_KEYS = 10_000;

/** What attached threads read of one hot set, each value checked: a miss ends the measurement. */
export async function threadReadsCurve(
  { zm }: Stage,
  counts: readonly number[],
  quick: boolean,
): Promise<Curve> {
  await fillReadKeys(zm, HOT_KEYS);
  const readers = attachedReaders(zm);
  const rates = await readRates(readers, { keys: HOT_KEYS, threads: counts, quick });
  return {
    id: 'scale.threads.reads',
    title: `Attached threads reading ${number(HOT_KEYS)} keys, Zipf 0.99`,
    x: { name: 'threads', unit: '' },
    y: { name: 'gets', unit: '/s' },
    series: [...readerNames(readers)].map(([id, name]) => ({
      name,
      ours: readers.some((reader) => reader.id === id),
      points: [...(rates.get(id) ?? [])],
    })),
  };
}
