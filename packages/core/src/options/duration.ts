import { InvalidValueError } from '@zmsg/workers';

/** Milliseconds (a whole number), or text such as `'250ms'`, `'5s'`, `'1h30m'`, `'1.5h'`, `'7d'`. */
export type Duration = number | string;

/** The longest delay of one timer: more overflows `setTimeout`, which then fires at once. About 24.8 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 } as const;
type Unit = keyof typeof UNIT_MS;

/** Units from large to small, each at most once: `1m1h` and `5s5s` are slips of the pen, not durations. */
const DURATION =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
const UNITS: readonly Unit[] = ['d', 'h', 'm', 's', 'ms'];
const MAX_TEXT_LENGTH = 64;

/**
 * The duration in whole milliseconds, from 0 to 2^53 - 1.
 * @param name What the error calls it.
 * @throws InvalidValueError for anything else: no unit, an unknown unit, a sign, a space, a fraction of a
 * millisecond.
 */
export function parseDuration(value: Duration, name: string): number {
  const ms = typeof value === 'number' ? value : typeof value === 'string' ? textToMs(value) : Number.NaN;
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_TEXT_LENGTH)) : String(value);
  throw new InvalidValueError(
    `${name}: ${shown} is not a duration; give whole milliseconds or text such as "250ms", "5s", "1h30m" or "7d"`,
  );
}

function textToMs(text: string): number {
  const parts = text.length > 0 && text.length <= MAX_TEXT_LENGTH ? DURATION.exec(text) : null;
  if (parts === null) return Number.NaN;
  // Decimal digits times a whole number of milliseconds, in integers: 1.1h is 3,960,000 and no float near it.
  let scaled = 0n;
  let places = 0;
  UNITS.forEach((unit, index) => {
    const [whole = '', fraction = ''] = (parts[index + 1] ?? '').split('.');
    if (whole === '') return;
    const shift = Math.max(fraction.length, places);
    scaled =
      scaled * 10n ** BigInt(shift - places) +
      BigInt(whole + fraction) * 10n ** BigInt(shift - fraction.length) * BigInt(UNIT_MS[unit]);
    places = shift;
  });
  const divisor = 10n ** BigInt(places);
  return scaled % divisor === 0n ? Number(scaled / divisor) : Number.NaN;
}
