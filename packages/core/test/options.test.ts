import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { optionsTable } from '../dist/options/options-table.js';
import { resolveOptions, secretsOf } from '../dist/options/resolve.js';
import type { ResolvedOptions } from '../dist/options/resolved.js';
import { parseSentinelAddress } from '../dist/options/sentinel-address.js';
import { toSnakeCase } from '../dist/options/setting.js';
import { SETTING_NAMES } from '../dist/options/settings.js';
import type { ZMsgOptions } from '../dist/options/zmsg-options.js';

const dir = mkdtempSync(join(tmpdir(), 'zmsg-options-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function yaml(text: string | Buffer): string {
  const file = join(dir, 'zmsg.yaml');
  writeFileSync(file, text);
  return file;
}

function errorOf(run: () => unknown): Error & { key?: string; code?: string } {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error');
}

const DSN = 'postgresql://ann:h%40mster@db.example:5432/zmsg?sslmode=disable';

test('with nothing given, every setting has its default', () => {
  expect(resolveOptions(undefined, {})).toEqual({
    postgresDsn: undefined,
    postgresReadDsn: undefined,
    postgresMaxOpenConns: 25,
    postgresMaxIdleConns: 5,
    postgresConnMaxLifetimeMs: 300_000,
    redisAddr: undefined,
    redisCluster: false,
    redisPassword: '',
    redisDb: 0,
    redisPoolSize: 10,
    l1MaxCost: 104_857_600,
    l1NumCounters: 10_000_000,
    l1BufferItems: 64,
    l1MaxValue: 409_600,
    defaultTtlMs: 86_400_000,
    cachePrefix: 'zmsg:',
    batchSize: 1000,
    loadWaitMs: 1000,
    batchIntervalMs: 5000,
    batchShards: 16,
    pendingMax: 1_000_000,
    pendingMaxBytes: 268_435_456,
    onFull: 'wait',
    bloomEnabled: true,
    bloomCapacity: 1_000_000,
    bloomErrorRate: 0.01,
    logLevel: 'info',
    logFormat: 'json',
    dataDir: resolve('.zmsg'),
    walSync: 'always',
    walIntervalMs: 1000,
    shutdownTimeoutMs: 30_000,
    delayBackend: 'postgres',
    idEpochMs: Date.UTC(2024, 0, 1),
    delayLockMs: 30_000,
    idLeaseTtlMs: 30_000,
  } satisfies ResolvedOptions);
});

/** Each key: YAML text, the same as an object's value, and what it does to the resolved options. */
const effects: [keyof ZMsgOptions, string, unknown, Partial<ResolvedOptions>, Partial<ZMsgOptions>?][] = [
  ['postgresDsn', DSN, DSN, { postgresDsn: DSN }],
  ['postgresReadDsn', DSN, DSN, { postgresReadDsn: DSN }, { postgresDsn: DSN }],
  ['postgresMaxOpenConns', '40', 40, { postgresMaxOpenConns: 40, postgresMaxIdleConns: 5 }],
  ['postgresMaxOpenConns', '4', 4, { postgresMaxOpenConns: 4, postgresMaxIdleConns: 4 }],
  ['postgresMaxIdleConns', '0', 0, { postgresMaxIdleConns: 0 }],
  ['postgresConnMaxLifetime', '90s', 90_000, { postgresConnMaxLifetimeMs: 90_000 }],
  [
    'redisAddr',
    'localhost:6379',
    'localhost:6379',
    { redisAddr: ['localhost:6379'], redisCluster: false, delayBackend: 'redis' },
  ],
  [
    'redisAddr',
    'rediss://u:p@r:1/3',
    'rediss://u:p@r:1/3',
    { redisAddr: ['rediss://u:p@r:1/3'], redisDb: 3 },
  ],
  [
    'redisAddr',
    '"[::1]:6379,b:2"',
    ['[::1]:6379', 'b:2'],
    { redisAddr: ['[::1]:6379', 'b:2'], redisCluster: true },
  ],
  ['redisPassword', 'p', 'p', { redisPassword: 'p' }],
  ['redisDb', '2', 2, { redisDb: 2 }],
  ['redisPoolSize', '4', 4, { redisPoolSize: 4 }],
  ['l1MaxCost', '1048576', 1_048_576, { l1MaxCost: 1_048_576, l1MaxValue: 4096 }],
  ['l1MaxCost', '4294967296', 2 ** 32, { l1MaxCost: 2 ** 32, l1MaxValue: 2 ** 24 }],
  ['l1NumCounters', '1000', 1000, { l1NumCounters: 1000 }],
  ['l1BufferItems', '8', 8, { l1BufferItems: 8 }],
  ['l1MaxValue', '1000', 1000, { l1MaxValue: 1000 }],
  ['defaultTtl', '1h30m', 5_400_000, { defaultTtlMs: 5_400_000 }],
  ['cachePrefix', '"a:"', 'a:', { cachePrefix: 'a:' }],
  ['batchSize', '10', 10, { batchSize: 10 }],
  ['loadWait', '0', 0, { loadWaitMs: 0 }],
  ['batchInterval', '250ms', '250ms', { batchIntervalMs: 250 }],
  ['batchInterval', '250', 250, { batchIntervalMs: 250 }],
  ['batchShards', '1', 1, { batchShards: 1 }],
  ['pendingMax', '5000', 5000, { pendingMax: 5000 }],
  ['pendingMaxBytes', '1048576', 1_048_576, { pendingMaxBytes: 1_048_576 }],
  ['onFull', 'reject', 'reject', { onFull: 'reject' }],
  ['bloomEnabled', 'false', false, { bloomEnabled: false }],
  ['bloomCapacity', '10', 10, { bloomCapacity: 10 }],
  ['bloomErrorRate', '0.5', 0.5, { bloomErrorRate: 0.5 }],
  ['dataDir', './x/y', './x/y', { dataDir: resolve('x/y') }],
  ['walSync', 'off', 'off', { walSync: 'off' }],
  ['walSync', 'interval', 'interval', { walSync: 'interval' }],
  ['walInterval', '50ms', 50, { walIntervalMs: 50 }],
  ['shutdownTimeout', '1m', '1m', { shutdownTimeoutMs: 60_000 }],
  ['delayBackend', 'postgres', 'postgres', { delayBackend: 'postgres' }, { redisAddr: 'r:1' }],
  ['idEpoch', '2025-06-01', '2025-06-01', { idEpochMs: Date.UTC(2025, 5, 1) }],
  ['idEpoch', '"2025-06-01T02:00+02:00"', Date.UTC(2025, 5, 1), { idEpochMs: Date.UTC(2025, 5, 1) }],
  ['delayLock', '1h', 3_600_000, { delayLockMs: 3_600_000 }],
  ['idLeaseTtl', '1s', 1000, { idLeaseTtlMs: 1000 }],
  ['logLevel', 'debug', 'debug', { logLevel: 'debug' }],
  ['logFormat', 'text', 'text', { logFormat: 'text' }],
];

test('every key that this version has takes part in the table of effects', () => {
  const tested = new Set<string>(effects.map(([name]) => name));
  expect(SETTING_NAMES.filter((name) => !tested.has(name))).toEqual(['adminAddr']);
});

test.each(effects)(
  '%s: %s takes effect from YAML, an object and the environment',
  (name, text, value, effect, more) => {
    const key = toSnakeCase(name);
    const lines = Object.entries(more ?? {}).map(([other, given]) => `${toSnakeCase(other)}: ${given}\n`);
    expect(resolveOptions(yaml(`${lines.join('')}${key}: ${text}\n`), {})).toMatchObject(effect);
    expect(resolveOptions({ ...more, [name]: value }, {})).toMatchObject(effect);
    const env = { [`ZMSG_${key.toUpperCase()}`]: text.replaceAll('"', '') };
    expect(resolveOptions(more, env)).toMatchObject(effect);
  },
);

/** Values that each key refuses, as an object's and, where the type allows it, as an environment's. */
const refused: Record<string, unknown[]> = {
  postgresDsn: [
    '',
    'localhost',
    'mysql://u:hunter2@h/d',
    'postgresql://u:hunter2%zz@h/d',
    'postgresql://u:hun ter2@h/d',
    'postgresql://u:hunter2@h:99999/d',
    'postgresql:///d',
    'postgresql://u:hunter2@h/d#x',
    5,
    true,
    ['postgresql://h/d'],
  ],
  postgresReadDsn: ['hunter2', 'http://h/d', null],
  postgresMaxOpenConns: [1, 10_001, 2.5, '25', true, null, Number.NaN],
  postgresMaxIdleConns: [-1, 26, '5'],
  postgresConnMaxLifetime: ['999ms', '5', '5 minutes', '25d', -1, 1.5, true],
  redisAddr: [
    '',
    'localhost',
    ':6379',
    'h:0',
    'h:65536',
    'h:x',
    'http://h:1',
    'redis://',
    'redis://h/x',
    'redis://h:1#f',
    'a:1,,b:2',
    [],
    ['a:1', 5],
    6379,
    { host: 'h' },
  ],
  redisPassword: [5, null, 'a\nb'],
  redisDb: [-1, 1.5, '0', 65_536],
  redisPoolSize: [0, 1001, '10'],
  l1MaxCost: [0, 1_048_575, 2 ** 32 + 1, '100MiB', '104857600', -1],
  l1NumCounters: [999, 1e9 + 1],
  l1BufferItems: [0, 65_537],
  l1MaxValue: [0, 1_638_401],
  defaultTtl: ['0s', 0, '36501d', 'never', '1d12'],
  cachePrefix: ['', 'x'.repeat(129), 'a\u0000', '\uD800', 5],
  batchSize: [0, 1_000_001, '1000', 1.5],
  loadWait: ['31s', -1, 'soon'],
  batchInterval: ['0ms', 2 ** 31, '600h', 'soon'],
  batchShards: [0, 257, -16, '16'],
  pendingMax: [0, 999, 1e9 + 1],
  onFull: ['drop', 'WAIT', true],
  bloomEnabled: ['true', 'yes', 1, 0, null],
  bloomCapacity: [0, 1e9 + 1, '1e6'],
  bloomErrorRate: [0, -0.1, 0.51, 1, '0.01', Number.NaN],
  dataDir: ['', '~/zmsg', 'a\u0000b', 5],
  pendingMaxBytes: [0, 1_048_575, 2 ** 36 + 1],
  walSync: ['never', false, 'on'],
  walInterval: [0, '0ms', -1],
  shutdownTimeout: ['0s', '25d', '-1s'],
  delayBackend: ['redis', 'kafka', true],
  idEpoch: ['2999-01-01', '2024-02-30', '2024-1-1', '2024-01-01T00:00', 'yesterday', -1, 1.5, true],
  delayLock: ['999ms', '61m', 0],
  idLeaseTtl: ['999ms', '25h', 0],
  logLevel: ['trace', 'INFO', 3],
  logFormat: ['xml', true],
  adminAddr: [':9090'],
};

test('every key takes part in the table of refusals', () => {
  expect(Object.keys(refused).sort()).toEqual([...SETTING_NAMES].sort());
});

describe.each(Object.entries(refused))('%s', (name, values) => {
  test.each(values)('%j is a ConfigError that names the key', (value) => {
    const error = errorOf(() => resolveOptions({ [name]: value } as ZMsgOptions, {}));
    expect(error).toMatchObject({ code: 'CONFIG', key: name });
    expect(error.message).toContain(name);
    expect(`${error.message} ${error.stack} ${String(error.cause)}`).not.toMatch(/hunter2|hun ter2/);
  });

  test('a refused text in YAML and in the environment is a ConfigError that names the key as written', () => {
    const text = values.find(
      (value) =>
        typeof value === 'string' &&
        /^[^\s\p{Cc}]{2,}$/u.test(value) &&
        Number.isNaN(Number(value)) &&
        value !== 'true',
    );
    if (typeof text !== 'string') return;
    const key = toSnakeCase(name);
    const inFile = errorOf(() => resolveOptions(yaml(`# a line\n${key}: '${text}'\n`), {}));
    expect(inFile).toMatchObject({ code: 'CONFIG', key });
    expect(inFile.message).toContain('zmsg.yaml:2');
    const variable = `ZMSG_${key.toUpperCase()}`;
    const inEnvironment = errorOf(() => resolveOptions({}, { [variable]: text }));
    expect(inEnvironment).toMatchObject({ code: 'CONFIG', key: variable });
    expect(`${inFile.message}${inEnvironment.message}`).not.toContain('hunter2');
  });
});

test('the message names the value and what is allowed', () => {
  expect(errorOf(() => resolveOptions({ batchShards: 300 }, {})).message).toBe(
    'batchShards must be a whole number from 1 to 256; 300 is not (the options)',
  );
  expect(errorOf(() => resolveOptions(yaml('admin_addr: 127.0.0.1:1'), {})).message).toContain(
    'has no effect',
  );
});

test.each([
  ['the value of redis_password', { redisPassword: 'hunter2\n' }],
  ['a DSN in the wrong key', { cachePrefix: 5, redisAddr: 'postgres://u:hunter2@h/d' }],
  ['a DSN in a key that takes text of another kind', { logLevel: 'postgres://u:hunter2@h/d' }],
  ['a password inside of a list', { redisAddr: ['h:1', 'redis://:hunter2@h:x'] }],
  ['two passwords', { redisAddr: 'redis://:hunter2@h:1', redisPassword: 'hunter22' }],
])('%s is not in the error', (_, options) => {
  const error = errorOf(() => resolveOptions(options as unknown as ZMsgOptions, {}));
  expect(error).toMatchObject({ code: 'CONFIG' });
  expect(`${error.message} ${error.stack}`).not.toContain('hunter2');
});

test.each([
  'redis_password: *hunter2',
  'redis_password: !hunter2 x',
  'redis_password: "hunter2',
  'redis_password: "\\hunter2"',
  'redis_password: @hunter2',
  'redis_password: hunter2: x',
  'redis_password: [hunter2',
  '? [hunter2]\n: x',
])('YAML that is broken next to a password names the line and not the password: %s', (text) => {
  const error = errorOf(() => resolveOptions(yaml(`\n${text}\n`), {}));
  expect(error).toMatchObject({ code: 'CONFIG' });
  expect(error.message).toMatch(/zmsg\.yaml:[23]/);
  if (!text.startsWith('?')) expect(`${error.message}${String(error.cause)}`).not.toContain('hunter2');
});

test('unknown keys are errors with the nearest known one', () => {
  expect(errorOf(() => resolveOptions(yaml('batch_sise: 5'), {}))).toMatchObject({
    key: 'batch_sise',
    message: expect.stringContaining('did you mean batch_size?'),
  });
  expect(errorOf(() => resolveOptions({ batch_size: 5 } as ZMsgOptions, {}))).toMatchObject({
    key: 'batch_size',
    message: expect.stringContaining('did you mean batchSize?'),
  });
  expect(errorOf(() => resolveOptions({}, { ZMSG_BATCHSIZE: '5' }))).toMatchObject({
    key: 'ZMSG_BATCHSIZE',
    message: expect.stringContaining('did you mean ZMSG_BATCH_SIZE?'),
  });
  expect(errorOf(() => resolveOptions({ frobnicate: 1 } as ZMsgOptions, {})).message).not.toContain('mean');
  for (const key of ['__proto__', 'constructor', 'toString']) {
    const options = JSON.parse(`{ ${JSON.stringify(key)}: {} }`) as ZMsgOptions;
    expect(errorOf(() => resolveOptions(options, {}))).toMatchObject({ code: 'CONFIG', key });
    expect(errorOf(() => resolveOptions(yaml(`${key}: 1`), {}))).toMatchObject({ code: 'CONFIG', key });
  }
});

test('a key given twice in YAML is an error that names it and both lines', () => {
  expect(
    errorOf(() => resolveOptions(yaml('batch_size: 5\nlog_level: info\nbatch_size: 6\n'), {})),
  ).toMatchObject({
    key: 'batch_size',
    message: expect.stringMatching(/zmsg\.yaml:3: batch_size is given twice, first at .*zmsg\.yaml:1/),
  });
});

test.each([
  ['a list', '- a\n', 'zmsg.yaml:1'],
  ['a word', 'word', 'zmsg.yaml:1'],
  ['two documents', 'log_level: info\n---\nlog_level: warn\n', 'zmsg.yaml'],
  ['a tab as indentation', 'a:\n\tb: 1', 'zmsg.yaml'],
  ['a key without a value', 'redis_addr:\n', 'no value'],
  ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x41]), 'UTF-8'],
  ['too large', '#'.repeat(2 ** 20 + 1), 'larger'],
])('a file that holds %s is a ConfigError', (_, text, message) => {
  const error = errorOf(() => resolveOptions(yaml(text), {}));
  expect(error).toMatchObject({ code: 'CONFIG', message: expect.stringContaining(message) });
});

test('an empty file and one with only comments set nothing', () => {
  expect(resolveOptions(yaml(''), {})).toEqual(resolveOptions(undefined, {}));
  expect(resolveOptions(yaml('# nothing\n---\n'), {})).toEqual(resolveOptions(undefined, {}));
});

test('a file that is missing or a directory is a ConfigError that names it', () => {
  for (const file of [join(dir, 'missing.yaml'), dir]) {
    expect(errorOf(() => resolveOptions(file, {}))).toMatchObject({
      code: 'CONFIG',
      message: expect.stringContaining(file),
    });
  }
});

test.each([null, 5, true, [], () => {}])('%s instead of options is a ConfigError', (input) => {
  expect(errorOf(() => resolveOptions(input as unknown as ZMsgOptions, {}))).toMatchObject({
    code: 'CONFIG',
  });
});

test('the environment wins over the file and over the object', () => {
  const env = { ZMSG_BATCH_SIZE: '7', ZMSG_BATCH_INTERVAL: '250', ZMSG_BLOOM_ENABLED: 'false' };
  const expected = { batchSize: 7, batchIntervalMs: 250, bloomEnabled: false, batchShards: 2 };
  expect(resolveOptions(yaml('batch_size: 5\nbatch_shards: 2\nbatch_interval: 9s'), env)).toMatchObject(
    expected,
  );
  expect(resolveOptions({ batchSize: 5, batchShards: 2, bloomEnabled: true }, env)).toMatchObject(expected);
});

test('an empty variable, one of the tests’ and one without the prefix set nothing', () => {
  const env = {
    ZMSG_REDIS_ADDR: '',
    ZMSG_PROPERTY_RUNS: '5',
    ZMSG_TEST_X: '1',
    BATCH_SIZE: 'x',
    zmsg_batch_size: 'x',
  };
  expect(resolveOptions({ redisAddr: 'r:1' }, env).redisAddr).toEqual(['r:1']);
});

test('an undefined option is not set', () => {
  expect(resolveOptions({ batchSize: undefined }, {}).batchSize).toBe(1000);
});

test.each([
  [{ postgresReadDsn: DSN }, 'postgresReadDsn'],
  [{ postgresMaxOpenConns: 4, postgresMaxIdleConns: 5 }, 'postgresMaxIdleConns'],
  [{ postgresMaxOpenConns: 3 }, 'postgresMaxOpenConns'],
  [{ l1MaxCost: 2 ** 20, l1MaxValue: 16_385 }, 'l1MaxValue'],
  [{ pendingMax: 10, batchSize: 11 }, 'pendingMax'],
  [{ bloomCapacity: 1e9, bloomErrorRate: 1e-9 }, 'bloomErrorRate'],
  [{ delayBackend: 'redis' }, 'delayBackend'],
  [{ redisAddr: 'redis://h:1/3', redisDb: 4 }, 'redisAddr'],
  [{ redisAddr: ['a:1'], redisDb: 1 }, 'redisDb'],
  [{ redisAddr: 'redis://:aaaa@h:1', redisPassword: 'bbbb' }, 'redisPassword'],
] as [ZMsgOptions, string][])('%j contradict each other', (options, key) => {
  expect(errorOf(() => resolveOptions(options, {}))).toMatchObject({ code: 'CONFIG', key });
});

test('an id epoch must lie in the past, by less than 41 bits of milliseconds', () => {
  const now = Date.UTC(2045, 0, 1);
  expect(resolveOptions({ idEpoch: now }, {}, now).idEpochMs).toBe(now);
  expect(errorOf(() => resolveOptions({ idEpoch: now + 1 }, {}, now))).toMatchObject({ key: 'idEpoch' });
  expect(errorOf(() => resolveOptions({ idEpoch: now - 2 ** 41 }, {}, now))).toMatchObject({
    key: 'idEpoch',
  });
  expect(resolveOptions({ idEpoch: now - 2 ** 41 + 1 }, {}, now).idEpochMs).toBe(now - 2 ** 41 + 1);
});

test('the example of the documentation is accepted', () => {
  const example = `
postgres_dsn: "postgresql://user:pass@localhost/zmsg?sslmode=disable"   # absent: embedded
postgres_max_open_conns: 25
postgres_max_idle_conns: 5
postgres_conn_max_lifetime: 5m
redis_addr: "localhost:6379"
redis_password: ""
redis_db: 0
redis_pool_size: 10
l1_max_cost: 104857600
l1_num_counters: 10000000
l1_buffer_items: 64
default_ttl: 24h
cache_prefix: "zmsg:"
batch_size: 1000
batch_interval: 5s
batch_shards: 16
bloom_enabled: true
bloom_capacity: 1000000
bloom_error_rate: 0.01
log_level: info
log_format: json
`;
  expect(resolveOptions(yaml(example), {})).toEqual({
    ...resolveOptions(undefined, {}),
    postgresDsn: 'postgresql://user:pass@localhost/zmsg?sslmode=disable',
    redisAddr: ['localhost:6379'],
    delayBackend: 'redis',
  });
});

test('secretsOf finds every password, decoded', () => {
  const options = resolveOptions(
    {
      postgresDsn: DSN,
      postgresReadDsn: 'postgres:///d?host=/run&password=inquery',
      redisAddr: ['redis://:redpass@h:1'],
    },
    {},
  );
  expect(secretsOf(options).sort()).toEqual(['h@mster', 'inquery', 'redpass']);
});

test('the table of the documentation has a row for each key', () => {
  const rows = optionsTable().split('\n').slice(2);
  expect(rows.map((row) => /^\| `(\w+)` \| [^|]+ \| [^|]+ \|$/.exec(row)?.[1])).toEqual(
    SETTING_NAMES.map(toSnakeCase),
  );
  expect(rows).toContain('| `batch_shards` | `16` | Shard threads. |');
});

test('Sentinels are one address: hosts, the name of the master, and what the master needs', () => {
  const addr = 'redis+sentinel://user:p%40ss@one,[::1]:26380,three:1/my-master/3';
  expect(parseSentinelAddress(addr)).toEqual({
    sentinels: [
      { host: 'one', port: 26_379 },
      { host: '::1', port: 26_380 },
      { host: 'three', port: 1 },
    ],
    master: 'my-master',
    tls: false,
    username: 'user',
    password: 'p@ss',
    db: 3,
  });
  expect(parseSentinelAddress('rediss+sentinel://:pass@one/m')).toMatchObject({
    tls: true,
    username: undefined,
    password: 'pass',
    db: undefined,
  });
  const options = resolveOptions({ redisAddr: addr }, {});
  expect(options).toMatchObject({ redisAddr: [addr], redisCluster: false, redisDb: 3 });
  expect(secretsOf(options)).toContain('p@ss');
  expect(() => resolveOptions({ redisAddr: addr, redisPassword: 'other' }, {})).toThrow(/give it once/);
  for (const wrong of [
    'redis+sentinel://one',
    'redis+sentinel://one/',
    'redis+sentinel://one,/m',
    'redis+sentinel:///m',
    'redis+sentinel://one:0/m',
    'redis+sentinel://one:70000/m',
    'redis+sentinel://one/m/x',
    'redis+sentinel://a:%ff@one/m',
  ]) {
    expect(() => resolveOptions({ redisAddr: wrong }, {}), wrong).toThrow(/redisAddr must be/);
  }
  expect(() => resolveOptions({ redisAddr: [addr, 'b:1'] }, {})).toThrow(/redisAddr must be/);
});
