import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BoundSocket } from './bound-socket.js';
import { LaunchError } from './launch-error.js';
import type { SharedPort } from './shared-ports.js';

const SENDER = fileURLToPath(new URL('./send-socket.js', import.meta.url));
const TIMEOUT_MS = 20_000;

/**
 * A second descriptor of a shared socket, as a handle that belongs to this thread.
 *
 * Two threads must not use one descriptor: whoever closes it, and a thread that ends does, closes it for
 * both, and its number may by then be somebody else's connection. Node.js has no dup(), but the kernel
 * duplicates what is inherited and what is sent from process to process: so a process is started that
 * sends the socket back. SO_REUSEPORT (Node.js 22.12 and newer) would give each thread a socket of its
 * own, and drop the connections that wait at it when the thread dies; nor would a port in use be noticed.
 *
 * @throws LaunchError `PORT` when that process fails, or has not answered within 20 s
 */
export function receiveSocket({ fd, host, port }: SharedPort): Promise<BoundSocket> {
  const { NODE_OPTIONS: _options, ...env } = process.env;
  return new Promise((resolve, reject) => {
    const sender = spawn(process.execPath, [SENDER], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', fd],
      env,
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const fail = (why: string, cause?: unknown) =>
      reject(new LaunchError('PORT', `a shared port cannot be handed to this thread: ${why}`, { cause }));
    sender.once('message', (_message, handle) => {
      const socket = handle as unknown as BoundSocket | undefined;
      if (socket === undefined) return fail('the message came without the socket');
      // The main thread closes its descriptors when the application stops; the number may be another's by now.
      const bound: { address?: string; port?: number } = {};
      if (socket.getsockname(bound) === 0 && bound.address === host && bound.port === port) resolve(socket);
      else fail('the application is stopping');
    });
    sender.once('error', (error) => fail(error.message, error));
    sender.once('exit', (code, signal) => fail(`the process that sends it ended with ${signal ?? code}`));
  });
}
