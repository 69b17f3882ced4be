import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader } from '../dist/codec/byte-reader.js';
import { ByteWriter } from '../dist/codec/byte-writer.js';
import { type Decoded, RecordDecoder } from '../dist/codec/record-decoder.js';
import { ShapeInterner } from '../dist/codec/shape-interner.js';
import { TaskEncoder } from '../dist/codec/task-encoder.js';
import { type CounterTask, InvalidTaskError, InvalidValueError, type WriteTask } from '../dist/index.js';

const { prepareValue } = createRequire(import.meta.url)('pg/lib/utils.js') as {
  prepareValue: (value: unknown) => unknown;
};

function roundTrip(value: unknown): unknown {
  const writer = new ByteWriter();
  writer.value('before');
  writer.value(value);
  writer.value('after');
  const reader = new ByteReader().open(writer.bytes, 0);
  expect(reader.value()).toBe('before');
  const copy = reader.value();
  expect(reader.value()).toBe('after');
  return copy;
}

const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ minLength: 60, maxLength: 70 }),
  // Any UTF-16 code units, so lone surrogates too.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, 0, 2 ** 31, -(2 ** 31), Number.NaN, Number.POSITIVE_INFINITY),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);
const nested = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, scalar, fc.array(tie('value'), { maxLength: 4 })),
})).value;

test('every value arrives as it was given', () => {
  fc.assert(
    fc.property(nested, (value) => {
      expect(roundTrip(value)).toStrictEqual(value);
    }),
    { numRuns: 2000 },
  );
});

test('every object arrives so that pg sends the same parameter for it', () => {
  const dates = { toJSON: () => ({ made: 'by toJSON' }) };
  const custom = { toPostgres: () => ['a', 1] };
  const given = fc.oneof(
    fc.jsonValue(),
    fc.object(),
    fc.constantFrom(dates, custom, new Map(), new (class {})()),
  );
  fc.assert(
    fc.property(given, (value) => {
      expect(prepareValue(roundTrip(value))).toStrictEqual(prepareValue(value));
    }),
    { numRuns: 1000 },
  );
});

test('long strings and bytes arrive whole', () => {
  for (const value of ['x'.repeat(1 << 20), 'ä€😀'.repeat(1 << 18), `\ud800${'x'.repeat(1 << 20)}`]) {
    expect(roundTrip(value) === value).toBe(true);
  }
  const bytes = Buffer.alloc(1 << 20, 'abc');
  expect((roundTrip(bytes) as Buffer).equals(bytes)).toBe(true);
  expect(roundTrip(new Uint8Array(bytes.buffer, bytes.byteOffset + 1, 3))).toEqual(bytes.subarray(1, 4));
});

describe('what no database takes is refused', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const self: { self?: unknown } = {};
  self.self = self;
  test.each([
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a function in an array', [1, [() => 1]]],
    ['an invalid date', new Date(Number.NaN)],
    ['an array that contains itself', cycle],
    ['an object that contains itself', self],
    ['an object with a bigint', { n: 1n }],
  ])('%s', (_, value) => {
    expect(() => new ByteWriter().value(value)).toThrow(InvalidValueError);
  });
});

function counter(over: Partial<CounterTask>): CounterTask {
  return {
    kind: 'counter',
    op: 'inc',
    operand: 1,
    table: 't',
    column: 'c',
    where: { text: 'id = ?', parts: ['id = ', ''], values: [1] },
    orInsert: undefined,
    batchKey: undefined,
    text: '',
    values: [],
    ...over,
  };
}

class Wire {
  readonly encoder = new TaskEncoder(16, 3);
  readonly interner = new ShapeInterner();
  readonly decoder = new RecordDecoder(3, this.interner);

  send(task: WriteTask): { decoded: Decoded; shard: number } {
    const shard = this.encoder.write(task);
    const { shape } = this.encoder;
    if (shape !== undefined && shape.definedIn[shard] === 0) {
      // One decoder stands for all shards here, so a shape may be defined more than once.
      expect(this.decode(shape.record)).toBeUndefined();
      shape.definedIn[shard] = 1;
    }
    const decoded = this.decode(this.encoder.copyRecord());
    if (decoded === undefined) throw new Error('no operation');
    return { decoded, shard };
  }

  decode(words: Int32Array): Decoded | undefined {
    const bytes = Buffer.from(words.buffer, words.byteOffset);
    return this.decoder.decode(bytes, 0, words[0] as number);
  }
}

test('an aggregated task becomes the operation that it describes', () => {
  const wire = new Wire();
  const where = { text: 'a = ? AND b = ?', parts: ['a = ', ' AND b = ', ''], values: ['ü', 5n] };
  const { decoded } = wire.send({
    ...counter({ where, batchKey: 'k', orInsert: { a: 'ü', b: 5n, at: new Date(7) } }),
    kind: 'map',
    op: 'set',
    key: 'k\ud800',
    operand: '{"x":[1,2.50]}',
  });
  if (decoded.kind !== 'aggregated') throw new Error('not aggregated');
  expect(decoded.shape).toEqual({
    kind: 'map',
    table: 't',
    column: 'c',
    whereText: where.text,
    whereParts: where.parts,
    insertColumns: ['a', 'b', 'at'],
  });
  expect([decoded.op, decoded.key, decoded.operand]).toEqual(['set', 'k\ud800', '{"x":[1,2.50]}']);
  expect(decoded.values()).toEqual({
    batchKey: 'k',
    whereValues: ['ü', 5n],
    insertValues: ['ü', 5n, new Date(7)],
  });
});

test('content and put tasks become the operations that they describe', () => {
  const wire = new Wire();
  const text = 'INSERT INTO t VALUES ($1, $2)';
  const content = { kind: 'content', text, values: [1, { a: 'b' }], batchKey: undefined } as const;
  const { decoded, shard } = wire.send(content);
  expect(decoded).toEqual({ ...content, producer: 3 });
  expect(shard).toBe(3);
  const put = wire.send({
    kind: 'put',
    key: 'ключ',
    data: Buffer.from([0, 255]),
    text: '',
    values: [],
    batchKey: undefined,
  });
  expect(put.decoded).toEqual({ kind: 'put', key: 'ключ', data: Buffer.from([0, 255]) });
});

test('operations have one raw key exactly when batch key and condition values are the same', () => {
  const value = fc.constantFrom<unknown>(
    1,
    '1',
    1n,
    1.5,
    true,
    null,
    '',
    'a',
    'ab',
    'b',
    '\u0007',
    new Date(1),
    [1],
  );
  const keys = fc.tuple(fc.constantFrom(undefined, '', 'a', 'ab', '1'), value, value);
  fc.assert(
    fc.property(keys, keys, (left, right) => {
      const wire = new Wire();
      const [a, b] = [left, right].map(([batchKey, ...values]) => {
        const where = { text: 'a = ? AND b = ?', parts: ['a = ', ' AND b = ', ''], values };
        const { decoded } = wire.send(counter({ where, batchKey }));
        return decoded.kind === 'aggregated' ? decoded : undefined;
      });
      expect(a?.shape).toBe(b?.shape);
      const same = JSON.stringify(describeKey(left)) === JSON.stringify(describeKey(right));
      expect(a?.rawKey === b?.rawKey).toBe(same);
    }),
    { numRuns: 1000 },
  );
});

function describeKey(key: readonly unknown[]): unknown {
  return key.map((value) => [typeof value, Object.prototype.toString.call(value), String(value)]);
}

test('all columns of a row and all tasks of a batch key go to one shard', () => {
  const wire = new Wire();
  for (let id = 0; id < 100; id++) {
    const where = { text: 'id = ?', parts: ['id = ', ''], values: [`post_${id}`] };
    const likes = wire.send(counter({ where, column: 'likes' }));
    expect(wire.send(counter({ where, column: 'views' })).shard).toBe(likes.shard);
    const batchKey = `key_${id}`;
    const keyed = wire.send(counter({ where, batchKey }));
    expect(wire.send(counter({ table: 'other', batchKey })).shard).toBe(keyed.shard);
    expect(wire.send({ kind: 'content', text: 'SELECT', values: [], batchKey }).shard).toBe(keyed.shard);
  }
});

test('more shapes than a producer remembers still arrive right', () => {
  const wire = new Wire();
  for (const round of [1, 2]) {
    for (let i = 0; i < 5000; i++) {
      const { decoded } = wire.send(counter({ column: `c${i}`, operand: round }));
      if (decoded.kind !== 'aggregated') throw new Error('not aggregated');
      expect([decoded.shape.column, decoded.operand]).toEqual([`c${i}`, round]);
    }
  }
});

test('a small task after a very large one is encoded as before', () => {
  const wire = new Wire();
  const at = { text: '', values: [], batchKey: undefined };
  const large = wire.send({ kind: 'put', key: 'k', data: Buffer.alloc(3 << 20, 7), ...at });
  expect(large.decoded).toMatchObject({ key: 'k', data: { length: 3 << 20 } });
  const small = wire.send({ kind: 'put', key: 'l', data: Buffer.from('x'), ...at });
  expect(small.decoded).toEqual({ kind: 'put', key: 'l', data: Buffer.from('x') });
});

test('a value that submits a task while it is encoded is refused, and does no harm', () => {
  const wire = new Wire();
  const nested = { toJSON: () => wire.encoder.write(counter({})) };
  const task = { kind: 'content', text: 'SELECT $1', values: [nested], batchKey: 'k' } as const;
  expect(() => wire.encoder.write(task)).toThrow(InvalidValueError);
  expect(wire.send({ ...task, values: [1] }).decoded).toMatchObject({ text: 'SELECT $1', values: [1] });
});

test('a task whose parts do not fit together is refused', () => {
  const where = { text: 'id = ?', parts: ['id = ', ''], values: [] };
  expect(() => new TaskEncoder(1, 0).write(counter({ where }))).toThrow(InvalidTaskError);
  expect(() => new TaskEncoder(1, 0).write({ kind: 'nothing' } as unknown as WriteTask)).toThrow(
    InvalidTaskError,
  );
});
