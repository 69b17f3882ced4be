import { spawnSync } from 'node:child_process';
import { createDatabase } from '@zmsg/testbed';
import { expect, inject, test } from 'vitest';
import { createLogger } from '../dist/log.js';
import { redactSecrets } from '../dist/options/redact-secrets.js';
import { Store } from '../dist/store/store.js';

function collector() {
  const lines: string[] = [];
  return { lines, destination: { write: (line: string) => void lines.push(line) } };
}

test.each(['json', 'text'] as const)('%s: lines below the level are not written', (format) => {
  const { lines, destination } = collector();
  const logger = createLogger({ level: 'warn', format, destination });
  logger.info('quiet');
  logger.warn({ n: 1 }, 'loud');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('loud');
});

test('json is one object per line, text is for people', () => {
  const { lines, destination } = collector();
  createLogger({ level: 'info', format: 'json', destination }).info({ shard: 3 }, 'flushed');
  createLogger({ level: 'info', format: 'text', destination }).info({ shard: 3 }, 'flushed');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 30, msg: 'flushed', shard: 3 });
  expect(lines[1]).toMatch(/^\[.*\] INFO: flushed\n\s+shard: 3\n$/);
});

const PASSWORD = 'hunter2"\\/ö@x';
const ENCODED = encodeURIComponent(PASSWORD);

test.each(['json', 'text'] as const)('%s: no password gets out, wherever it stands', (format) => {
  const { lines, destination } = collector();
  const logger = createLogger({ level: 'debug', format, destination, secrets: [PASSWORD] });
  const dsn = `postgresql://ann:${ENCODED}@db/zmsg`;
  logger.info(`connecting to ${dsn}`);
  logger.info({ dsn, deep: { list: [{ dsn, password: PASSWORD }] } }, 'fields');
  logger.info(`AUTH ${PASSWORD} refused`);
  logger.info('%s and %o', dsn, { dsn });
  const cause = Object.assign(new Error(`no route to ${dsn}`), {
    command: { name: 'auth', args: [PASSWORD, 'xyz-args'] },
  });
  logger.error(new Error(`failed: ${dsn}`, { cause }), 'broken');
  logger.error({ err: new AggregateError([cause], `all of ${dsn}`), error: cause }, dsn);
  logger.child({ dsn }).warn('child');
  const output = lines.join('');
  expect(lines).toHaveLength(7);
  expect(output).not.toMatch(/hunter2|xyz-args/);
  expect(output).toContain('postgresql://***@db/zmsg');
  if (format === 'json') for (const line of lines) JSON.parse(line);
});

test('an error of a database that refuses the password keeps the password to itself', async () => {
  const { lines, destination } = collector();
  const logger = createLogger({ level: 'info', format: 'json', destination });
  const dsn = (await createDatabase(inject('postgresPort'))).replace(/\/[^/]*$/, '/no_such_database');
  const store = new Store({
    connectionString: dsn.replace(':secret@', ':tops3cret@'),
    maxOpen: 2,
    maxIdle: 1,
    maxLifetimeMs: 1000,
    connectTimeoutMs: 5000,
    onIdleError: () => {},
  });
  const error = await store.exec('SELECT 1').catch((caught: unknown) => caught);
  await store.close();
  logger.error({ err: error }, 'cannot connect');
  expect(lines.join('')).toContain('no_such_database');
  expect(lines.join('')).not.toContain('tops3cret');
  expect(JSON.parse(lines[0] ?? '').err).toMatchObject({
    type: 'StoreError',
    code: 'STORE',
    sqlState: '3D000',
  });
});

test('a known password is taken out as a word, not as a part of one', () => {
  const { lines, destination } = collector();
  createLogger({ level: 'info', format: 'json', destination, secrets: ['pass', 'abc'] }).info(
    'pass passenger abc',
  );
  expect(JSON.parse(lines[0] ?? '').msg).toBe('*** passenger abc');
});

test.each([
  ['postgres://u:p@h/d', 'postgres://***@h/d'],
  ['redis://:p/w:x@y@h:1/0', 'redis://***@h:1/0'],
  ['see rediss://h:1 and a@b.c', 'see rediss://h:1 and a@b.c'],
  ['host=h password=geheim user=u', 'host=h password=*** user=u'],
  ["password='ge heim' x", 'password=*** x'],
  ['postgres:///d?password=geheim&x=1', 'postgres:///d?password=***&x=1'],
  ['nothing here', 'nothing here'],
])('redactSecrets turns %s into %s', (text, redacted) => {
  expect(redactSecrets(text)).toBe(redacted);
});

test('redactSecrets takes linear time on hostile text', () => {
  const start = performance.now();
  redactSecrets(`${'a://'.repeat(20_000)}@`);
  redactSecrets(`${'a'.repeat(100_000)}@`);
  redactSecrets(`postgres://${'\\"'.repeat(50_000)} @`);
  expect(performance.now() - start).toBeLessThan(10_000);
});

test.each(['json', 'text'])(
  '%s: lines go to stderr before the process exits, and nothing keeps it alive',
  (format) => {
    const url = new URL('../dist/log.js', import.meta.url).href;
    const program = (end: string) =>
      `import { createLogger } from ${JSON.stringify(url)}; createLogger({ level: 'info', format: '${format}' }).info('last words'); ${end}`;
    const run = (end: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', program(end)], {
        encoding: 'utf8',
        timeout: 20_000,
      });
    for (const end of ['process.exit(3)', '']) {
      const { stdout, stderr, status } = run(end);
      expect({ stdout, status }).toEqual({ stdout: '', status: end === '' ? 0 : 3 });
      expect(stderr).toContain('last words');
    }
  },
);
