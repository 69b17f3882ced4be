/** `1234567` → `1,234,567`; small numbers keep three digits. */
export function number(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

export function nanoseconds(ns: number): string {
  if (ns >= 1e6) return `${number(ns / 1e6)} ms`;
  return ns >= 1e4 ? `${number(ns / 1e3)} µs` : `${number(ns)} ns`;
}

export function times(ratio: number): string {
  return `${number(ratio)} ×`;
}
