import type { Unit } from './result.js';

const UNITS_OF_TIME = [
  [1e9, 's'],
  [1e6, 'ms'],
  [1e3, 'µs'],
] as const;
const UNITS_OF_SIZE = [
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
] as const;

/** `1234567` → `1,234,567`; small numbers keep three digits. */
export function number(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.1 || size === 0 ? 2 : 4;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

export function times(ratio: number): string {
  return `${number(ratio)} ×`;
}

/** With its unit, in the order of magnitude that reads best. */
export function quantity(value: number, unit: Unit): string {
  switch (unit) {
    case 'ns':
      return scaled(value, UNITS_OF_TIME, 'ns');
    case 'ms':
      return scaled(value * 1e6, UNITS_OF_TIME, 'ns');
    case 's':
      return scaled(value * 1e9, UNITS_OF_TIME, 'ns');
    case 'bytes':
      return scaled(value, UNITS_OF_SIZE, 'bytes');
    case 'points':
      return `${value >= 0 ? '+' : ''}${value.toFixed(2)} points`;
    case '/s':
    case '/ms':
      return `${number(value)}${unit}`;
    case '':
      return number(value);
    default:
      return `${number(value)} ${unit}`;
  }
}

/** A time per operation, or how many fit into a second. */
export function pace(ns: number, show: 'time' | 'rate'): string {
  return show === 'time' ? quantity(ns, 'ns') : quantity(1e9 / ns, '/s');
}

function scaled(value: number, units: readonly (readonly [number, string])[], smallest: string): string {
  const [size, unit] = units.find(([size]) => Math.abs(value) >= size) ?? [1, smallest];
  return `${number(value / size)} ${unit}`;
}
