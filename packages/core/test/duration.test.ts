import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDuration } from '../dist/options/duration.js';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;

test.each([
  ['250ms', 250],
  ['5s', 5000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['1.1h', 3_960_000],
  ['0.001s', 1],
  ['7d', 604_800_000],
  ['1m1ms', 60_001],
  ['0s', 0],
  [0, 0],
  [250, 250],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text, 'ttl')).toBe(ms);
});

test.each([
  '',
  '5',
  '-5s',
  '+5s',
  '5 s',
  ' 5s',
  '5S',
  '5sec',
  '1m1h',
  '5s5s',
  '1.s',
  '.5s',
  '1e3s',
  '0.5ms',
  '1.0001s',
  'h',
  's',
  '9007199254740992ms',
  '1h\n',
  '٣s',
  `${'9'.repeat(70)}s`,
  -1,
  1.5,
  Number.NaN,
  Infinity,
  2 ** 53,
])('%j is not a duration', (value) => {
  expect(() => parseDuration(value, 'ttl')).toThrow(
    expect.objectContaining({ code: 'INVALID_VALUE', message: expect.stringMatching(/^ttl: /) }),
  );
});

test.each([null, undefined, true, {}, [5], 5n])('a value of another type is not a duration: %s', (value) => {
  expect(() => parseDuration(value as unknown as string, 'ttl')).toThrow(
    expect.objectContaining({ code: 'INVALID_VALUE' }),
  );
});

test('any combination of units in falling order means their exact sum', () => {
  const part = fc.option(fc.tuple(fc.nat({ max: 999 }), fc.nat({ max: 999 })), { nil: undefined });
  fc.assert(
    fc.property(
      fc.tuple(part, part, part, part, fc.option(fc.nat({ max: 9999 }), { nil: undefined })),
      (parts) => {
        let text = '';
        let ms = 0;
        UNITS.forEach(([unit, size], index) => {
          const given = parts[index];
          if (given === undefined) return;
          // Thousandths of a day, an hour, a minute or a second are whole milliseconds.
          const [whole, thousandths] = typeof given === 'number' ? [given, undefined] : given;
          text +=
            thousandths === undefined
              ? `${whole}${unit}`
              : `${whole}.${String(thousandths).padStart(3, '0')}${unit}`;
          ms += whole * size + ((thousandths ?? 0) * size) / 1000;
        });
        if (text === '') return;
        expect(parseDuration(text, 'x')).toBe(ms);
      },
    ),
    { numRuns: 500 },
  );
});

test('no text makes anything but a whole number of milliseconds or an InvalidValueError', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9.dhms -]{0,12}$/), (text) => {
      try {
        const ms = parseDuration(text, 'x');
        expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_VALUE' });
      }
    }),
    { numRuns: 1000 },
  );
});
