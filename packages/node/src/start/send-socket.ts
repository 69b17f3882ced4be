import { adoptSocket } from './bound-socket.js';

/**
 * A process that lives for some 50 ms: it inherits a bound socket as descriptor 4 and hands it to its
 * parent. See `receiveSocket`.
 */
const SOCKET_FD = 4;

const socket = adoptSocket(SOCKET_FD);
process.send?.('socket', socket as never, {}, (error) => {
  if (error !== null) process.exitCode = 1;
  process.disconnect();
});
