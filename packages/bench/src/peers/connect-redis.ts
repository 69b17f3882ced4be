import { Redis } from 'ioredis';

interface Options {
  enableAutoPipelining?: boolean;
  /** What BullMQ asks for: commands wait for as long as Redis is away. */
  maxRetriesPerRequest?: null;
}

/** A client as ioredis makes it, to `host:port`. */
export function connectRedis(addr: string, options: Options = {}): Redis {
  const [host = '127.0.0.1', port = '6379'] = addr.split(':');
  return new Redis(Number(port), host, options);
}
