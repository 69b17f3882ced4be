const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `1234567` → `1,234,567`. */
export function formatCount(value: number): string {
  return WHOLE.format(value);
}

/** Of all, in percent; a dash when there is nothing to take a share of. */
export function formatShare(part: number, all: number): string {
  if (all === 0) return '–';
  const percent = (100 * part) / all;
  // 99.99 % must not read as 100 %.
  const digits = percent > 99 && percent < 100 ? 2 : 1;
  return `${(Math.floor(percent * 10 ** digits) / 10 ** digits).toFixed(digits)} %`;
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function formatMs(ms: number): string {
  return `${ms >= 100 ? ms.toFixed(0) : ms.toFixed(1)} ms`;
}
