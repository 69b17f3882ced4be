import { MessageChannel } from 'node:worker_threads';
import { ClosedError, type ZmsgError } from '@zmsg/workers';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CallPort, type Handlers } from '../dist/attach/call-port.js';
import { decodeError, encodeError } from '../dist/attach/error-codec.js';
import { EventFeed } from '../dist/attach/event-feed.js';
import { decodeMessage, encodeMessage } from '../dist/attach/message-codec.js';
import * as core from '../dist/index.js';

/** As it arrives on the other side of a port. */
const across = (error: unknown) => decodeError(decodeMessage(encodeMessage(encodeError(error))) as never);

describe('errors', () => {
  /** With arguments that fit each constructor. */
  const made: Record<string, () => ZmsgError> = {
    ConfigError: () => new core.ConfigError('bad', { key: 'redis_addr' }),
    LogError: () => new core.LogError('torn', { file: 'a.log', offset: 7 }),
    MigrationError: () => new core.MigrationError('changed', { file: '001_a.sql', cause: new Error('why') }),
    NotFoundError: () => new core.NotFoundError('k'),
    ShardError: () => new core.ShardError(3, 'died'),
    StoreError: () => new core.StoreError('no', { sqlState: '23505', cause: new TypeError('inner') }),
  };
  const classes = Object.entries(core).filter(
    ([name, each]) =>
      name !== 'ZmsgError' && (each as { prototype?: unknown }).prototype instanceof core.ZmsgError,
  ) as [string, new (message: string) => ZmsgError][];

  test('there are classes to test', () => expect(classes.length).toBeGreaterThan(14));

  test.each(classes)('%s arrives as what it was', (name, Class) => {
    const error = made[name]?.() ?? new Class('a message');
    const arrived = across(error) as ZmsgError;
    expect(arrived).toBeInstanceOf(Class);
    expect(arrived).toStrictEqual(error);
    expect(Object.entries(arrived)).toEqual(Object.entries(error));
    expect([arrived.code, arrived.message, arrived.stack]).toEqual([error.code, error.message, error.stack]);
    expect(arrived.cause).toStrictEqual(error.cause);
  });

  test("PostgreSQL's own error arrives as the cause, with all its fields", () => {
    const cause = Object.assign(new pg.DatabaseError('duplicate', 9, 'error'), {
      code: '23505',
      detail: 'd',
    });
    const arrived = across(new core.StoreError('duplicate', { sqlState: '23505', cause })) as core.StoreError;
    expect(arrived.outcomeUnknown).toBe(false);
    expect(arrived.cause).toBeInstanceOf(pg.DatabaseError);
    expect(arrived.cause).toMatchObject({ code: '23505', detail: 'd', message: 'duplicate' });
  });

  test('others keep name, fields and nesting; what cannot be sent becomes text', () => {
    class Own extends Error {
      override name = 'Own';
      hint = { at: 1n };
      retry = () => {};
    }
    const loop = new Error('loop');
    loop.cause = loop;
    expect(across(new Own('mine'))).toMatchObject({ name: 'Own', message: 'mine', hint: { at: 1n } });
    expect(across(new AggregateError([new RangeError('r')], 'many'))).toMatchObject({
      errors: [expect.any(RangeError)],
    });
    expect(across(loop)).toMatchObject({ cause: { message: 'loop' } });
    expect(across(new DOMException('late', 'TimeoutError'))).toMatchObject({
      name: 'TimeoutError',
      code: 23,
    });
    expect(across('a text')).toBe('a text');
    expect(across(() => 1)).toBe('() => 1');
  });
});

describe('calls', () => {
  function connect<H extends Handlers>(local: H, maxInFlight = 100) {
    const { port1, port2 } = new MessageChannel();
    let messages = 0;
    port2.on('message', () => {
      messages += 1;
    });
    const options = { maxInFlight, keepsAlive: true, onClose: () => new ClosedError() };
    const caller = new CallPort<H, Handlers>(port1, { ...options, local: {} });
    const other = new CallPort<Handlers, H>(port2, { ...options, local });
    onTestFinished(() => caller.close(new ClosedError()));
    return { caller, other, messages: () => messages };
  }
  type Signal = AbortSignal | undefined;

  test('values arrive as they were, Buffers as Buffers of their own', async () => {
    const { caller } = connect({ same: (_: Signal, value: unknown) => value });
    const value = {
      buffer: Buffer.from('b'),
      bytes: new Uint8Array([1, 2]),
      date: new Date(5),
      big: 2n ** 70n,
      map: new Map([['k', Buffer.from('v')]]),
      nothing: undefined,
      list: [null, -0, Number.NaN, new Float64Array([0.5])],
    };
    const arrived = (await caller.call('same', [value])) as typeof value;
    expect(arrived).toStrictEqual(value);
    const [a, b] = (await Promise.all([
      caller.call('same', [Buffer.alloc(100_000, 1)]),
      caller.call('same', [Buffer.alloc(100_000, 2)]),
    ])) as Buffer[];
    expect(a?.buffer).not.toBe(b?.buffer);
  });

  test('the calls of one turn are one message, and so are their answers', async () => {
    const { caller, messages } = connect({ echo: async (_: Signal, n: number) => n });
    const after = Promise.resolve().then(() => Promise.all([7, 8].map((n) => caller.call('echo', [n]))));
    const now = await Promise.all([1, 2, 3].map((n) => caller.call('echo', [n])));
    expect([now, await after, messages()]).toEqual([[1, 2, 3], [7, 8], 1]);
  });

  test('a call that cannot be sent, or answered, fails alone', async () => {
    const { caller } = connect({
      give: (_: Signal, what: unknown) => (what === 'function' ? () => 1 : what),
    });
    const outcomes = await Promise.allSettled([
      caller.call('give', [1]),
      caller.call('give', [() => 1]),
      caller.call('give', ['function']),
      caller.call('give', [2]),
    ]);
    expect(outcomes).toMatchObject([
      { value: 1 },
      { reason: { code: 'INVALID_VALUE' } },
      { reason: { code: 'INVALID_VALUE' } },
      { value: 2 },
    ]);
    await expect(caller.call('toString' as never, [] as never)).rejects.toThrow('there is no call');
  });

  test('no more calls than allowed are under way; the others wait, and may give up', async () => {
    const releases: (() => void)[] = [];
    const begun: number[] = [];
    const { caller } = connect(
      {
        wait: (_: Signal, n: number) => {
          begun.push(n);
          return new Promise<void>((resolve) => releases.push(resolve));
        },
      },
      2,
    );
    const controller = new AbortController();
    const calls = [1, 2].map((n) => caller.call('wait', [n]));
    const third = caller.call('wait', [3], { signal: controller.signal });
    const fourth = caller.call('wait', [4]);
    await expect.poll(() => begun).toEqual([1, 2]);
    controller.abort(new Error('gave up'));
    await expect(third).rejects.toThrow('gave up');
    releases[0]?.();
    await calls[0];
    await expect.poll(() => begun).toEqual([1, 2, 4]);
    for (const release of releases) release();
    await Promise.all([...calls, fourth]);
  });

  test('what a handler asks for is not held up by the calls that wait for the handler', async () => {
    const { port1, port2 } = new MessageChannel();
    const options = { maxInFlight: 1, keepsAlive: true, onClose: () => new ClosedError() };
    const outer: { call: (n: number) => Promise<unknown> } = { call: async () => undefined };
    const a = new CallPort<Handlers, Handlers>(port1, {
      ...options,
      local: { back: (_: Signal, n: number) => outer.call(n) },
    });
    const b: CallPort<Handlers, Handlers> = new CallPort(port2, {
      ...options,
      local: {
        start: (_: Signal, n: number) => b.call('back', [n] as never),
        end: (_: Signal, n: number) => n * 2,
      },
    });
    outer.call = (n) => a.call('end', [n] as never);
    onTestFinished(() => a.close(new ClosedError()));
    expect(await a.call('start', [21] as never)).toBe(42);
  });

  test("an abort rejects at once, and aborts the other side's work with the same reason", async () => {
    const reasons: unknown[] = [];
    const { caller } = connect({
      hang: (signal: Signal) =>
        new Promise<void>((_, reject) => {
          signal?.addEventListener('abort', () => {
            reasons.push(signal.reason);
            reject(signal.reason);
          });
          reasons.push('begun');
        }),
    });
    const controller = new AbortController();
    const call = caller.call('hang', [], { signal: controller.signal });
    await expect.poll(() => reasons).toEqual(['begun']);
    const reason = new core.InvalidTaskError('enough');
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    await expect.poll(() => reasons[1]).toBeInstanceOf(core.InvalidTaskError);
  });

  test('when the port closes, every call rejects and the work of the other side is aborted', async () => {
    let aborted = false;
    const { caller, other } = connect(
      {
        hang: (signal: Signal) =>
          new Promise<void>(() => {
            signal?.addEventListener('abort', () => {
              aborted = true;
            });
          }),
      },
      1,
    );
    const signal = new AbortController().signal;
    const calls = [caller.call('hang', [], { signal }), caller.call('hang', [])];
    await expect.poll(() => other.handling).toBe(1);
    caller.close(new ClosedError('over'));
    for (const call of calls) await expect(call).rejects.toThrow('over');
    await expect.poll(() => aborted).toBe(true);
    await expect(other.call('any', [] as never)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});

test('a thread gets the events that it listens to, as many as it takes in, and is told how many it missed', () => {
  const sent: unknown[] = [];
  const feed = new EventFeed((event) => sent.push(Object.fromEntries(event)));
  const failed = (attempt: number) =>
    feed.offer({ type: 'flush:transaction:failed', shard: 0, attempt, error: new Error('no') });
  failed(0);
  feed.listen(['flush:transaction:failed']);
  feed.offer({ type: 'delay:job:duplicate', id: 'i', key: 'k' });
  expect(sent).toEqual([]);
  for (let n = 0; n < 1_030; n++) failed(n);
  expect(sent.length).toBe(1_024);
  feed.seen(1_000);
  expect(sent.at(-1)).toMatchObject({ type: { value: 'attach:events:dropped' }, events: { value: 6 } });
  failed(2_000);
  expect(sent.at(-1)).toMatchObject({ attempt: { value: 2_000 } });
});
