import { describe, expect, test } from 'vitest';
import { failureOf } from '../dist/flush/failure.js';
import { isRefusal } from '../dist/flush/session.js';
import { FencedError, StoreError } from '../dist/index.js';

const TABLE = {
  retry: [
    ...['08000', '08003', '08006', '57014', '57P01', '57P02', '57P03', '57P05'],
    ...['40000', '40001', '40002', '40003', '40P01', '53000', '53100', '53200', '53300', '53400'],
    ...['55006', '55P02', '55P03', '58000', '58030', '58P01', '25006', '25P01', '25P02', '25P03', '25P04'],
    ...['XX000', 'XX001', 'XX002', 'F0000', 'F0001', '28000', '28P01', '3D000', '72000', 'HV00N'],
  ],
  refused: [
    ...[
      '08P01',
      '21000',
      '22001',
      '22003',
      '22021',
      '22P02',
      '22P05',
      '23502',
      '23503',
      '23505',
      '23514',
      '23P01',
    ],
    ...['42501', '42601', '42703', '42804', '42883', '42P01', '428C9', '0A000', '2F003', '38000', '39000'],
    ...['44000', '54000', '54001', 'P0001', 'P0004', '27000', '3F000', '2D000', '25001', '55000', 'HV000'],
    ...['ZM001', 'A0000'],
  ],
};

describe.each(Object.entries(TABLE))('%s', (failure, sqlStates) => {
  test.each(sqlStates)('%s', (code) => {
    expect(failureOf(Object.assign(new Error(), { severity: 'ERROR', code }))).toBe(failure);
    expect(failureOf(new StoreError('', { sqlState: code }))).toBe(failure);
  });
});

test('what the server did not say, or said at its end, is retried', () => {
  expect(failureOf(Object.assign(new Error(), { code: 'ECONNRESET' }))).toBe('retry');
  expect(failureOf(new Error('Query read timeout'))).toBe('retry');
  expect(failureOf(Object.assign(new Error(), { severity: 'FATAL', code: '42501' }))).toBe('retry');
});

test('a value that grows too large on its way is refused, though the server calls that an internal error', () => {
  const error = Object.assign(new Error(), { code: 'XX000', routine: 'MemoryContextSizeFailure' });
  expect(failureOf(error)).toBe('refused');
  expect(failureOf(new StoreError('', { sqlState: 'XX000', cause: error }))).toBe('refused');
  expect(failureOf(Object.assign(new Error(), { code: 'XX000', routine: 'elog' }))).toBe('retry');
});

test('a shard that was taken over stops', () => {
  expect(failureOf(new FencedError(''))).toBe('fatal');
});

test('a refusal in another language is a refusal', () => {
  expect(isRefusal(Object.assign(new Error(), { severity: 'FEHLER', code: '23505' }))).toBe(true);
  expect(isRefusal(Object.assign(new Error(), { severity: 'FATAL', code: '57P01' }))).toBe(false);
});
