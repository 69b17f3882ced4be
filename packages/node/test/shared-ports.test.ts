import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { SharedPorts } from '../dist/start/shared-ports.js';

function sharedPorts(): SharedPorts {
  const ports = new SharedPorts();
  onTestFinished(() => ports.close());
  return ports;
}

test('the same request gives the same socket, another one another', async () => {
  const ports = sharedPorts();
  const first = await ports.bind({ port: 0, host: '127.0.0.1' });
  expect(first).toEqual({ fd: expect.any(Number), port: expect.any(Number), host: '127.0.0.1' });
  expect(first.port).toBeGreaterThan(0);
  expect(await ports.bind({ port: 0, host: '127.0.0.1' })).toEqual(first);
  const { port } = first;
  const other = await ports.bind({ port, host: '127.0.0.2' });
  expect(other).toEqual({ fd: expect.any(Number), port, host: '127.0.0.2' });
  expect(other.fd).not.toBe(first.fd);
});

test('a name is looked up; without a host all addresses are meant', async () => {
  const ports = sharedPorts();
  expect((await ports.bind({ port: 0, host: 'localhost' })).host).toMatch(/^(127\.0\.0\.1|::1)$/);
  expect((await ports.bind({ port: 0, host: undefined })).host).toMatch(/^(0\.0\.0\.0|::)$/);
});

test('a port in use is an error that names it, until it is free', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const ports = sharedPorts();
  const taken = ports.bind({ port, host: '127.0.0.1' });
  await expect(taken).rejects.toMatchObject({
    code: 'PORT',
    message: `port ${port} on 127.0.0.1: address already in use (EADDRINUSE)`,
    cause: { code: 'EADDRINUSE' },
  });
  await new Promise((resolve) => server.close(resolve));
  expect((await ports.bind({ port, host: '127.0.0.1' })).port).toBe(port);
});

test('so are an address that is not here and a name that is none', async () => {
  const ports = sharedPorts();
  const elsewhere = ports.bind({ port: 0, host: '192.0.2.1' });
  await expect(elsewhere).rejects.toThrow('port 0 on 192.0.2.1: address not available (EADDRNOTAVAIL)');
  const nowhere = ports.bind({ port: 80, host: 'nowhere.invalid' });
  await expect(nowhere).rejects.toThrow('port 80 on nowhere.invalid: there is no address of that name');
});
