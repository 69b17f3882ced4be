import { Cluster } from 'ioredis';
import { connectRedis, disconnectRedis, type RedisClient, type RedisEndpoint } from '../l2/redis-client.js';

export interface ChannelOptions {
  readonly endpoint: RedisEndpoint;
  readonly name: string;
  readonly onMessage: (message: Buffer) => void;
  /** The subscription was made (again), or is lost: messages in between were missed. */
  readonly onSubscribed: () => void;
  readonly onLost: () => void;
  /** Every failed attempt to connect, and every connection that breaks. */
  readonly onError: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** Longest wait for Redis to accept a message. */
const PUBLISH_TIMEOUT_MS = 250;
const SOCKET_TIMEOUT_MS = 2_000;
const DISCONNECT_TIMEOUT_MS = 500;
/** Of messages that Redis has not yet accepted; further ones are not sent. */
const MAX_WAITING_BYTES = 8 * 2 ** 20;

/** In a script, so that a cluster takes each message of a node at the same place: the owner of its key. */
const PUBLISH_AT_KEY = `return redis.call('PUBLISH', KEYS[1], ARGV[1])`;

/**
 * Ordinary pub/sub on one channel, over two connections. A single Redis and Sentinel's master deliver in
 * order; in a cluster the master that owns the channel's name as a key hands each message to all the
 * others. Sharded pub/sub would spare the others the message, but needs Redis 7, and a subscriber that
 * follows the slot; nothing here relies on the order or on delivery, since each message has a number.
 */
export class Channel {
  readonly #options: ChannelOptions;
  #publisher: RedisClient | undefined;
  #subscriber: RedisClient | undefined;
  /** Resolves when the publisher is ready; undefined: nobody waits for it. */
  #publishing: Promise<void> | undefined;
  #waitingBytes = 0;
  #isClosed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** Connects in the background, and for ever. */
  open(): void {
    this.#publisher = this.#connect('refuse');
    this.#subscriber = this.#subscribe(this.#publisher);
  }

  /** True: Redis has accepted the message. False: refused, or nobody knows. Never rejects. */
  async publish(message: Buffer, name = this.#options.name): Promise<boolean> {
    const client = this.#publisher;
    if (this.#isClosed || client?.status !== 'ready') return false;
    if (this.#waitingBytes + message.length > MAX_WAITING_BYTES) return false;
    this.#waitingBytes += message.length;
    const accepted = (
      client instanceof Cluster
        ? client.eval(PUBLISH_AT_KEY, 1, name, message)
        : client.publish(name, message)
    ).then(
      () => true,
      () => false, // the next message's number tells the others
    );
    void accepted.then(() => {
      this.#waitingBytes -= message.length;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, PUBLISH_TIMEOUT_MS, false);
    });
    try {
      return await Promise.race([accepted, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * For a subscription that is silent: a half-open connection does not end by itself. One that knows that it
   * is away connects again without help.
   */
  subscribeAgain(): void {
    const silent = this.#subscriber;
    if (this.#isClosed || this.#publisher === undefined || silent?.status !== 'ready') return;
    this.#subscriber = this.#subscribe(this.#publisher);
    void disconnectRedis(silent, DISCONNECT_TIMEOUT_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const clients = [this.#subscriber, this.#publisher].filter((client) => client !== undefined);
    await Promise.all(clients.map((client) => disconnectRedis(client, DISCONNECT_TIMEOUT_MS)));
  }

  #subscribe(publisher: RedisClient): RedisClient {
    const { name, onMessage, onSubscribed, onLost, onError } = this.#options;
    const client = this.#connect('wait');
    // One that was given up may still say something.
    const isCurrent = () => client === this.#subscriber && !this.#isClosed;
    client.on('messageBuffer', (_channel: Buffer, message: Buffer) => {
      if (isCurrent()) onMessage(message);
    });
    client.on('close', () => {
      if (isCurrent()) onLost();
    });
    client.on('ready', () => {
      Promise.all([client.subscribe(name), this.#whenReady(publisher)]).then(
        () => {
          if (isCurrent() && client.status === 'ready') onSubscribed();
        },
        (error: Error) => {
          if (isCurrent()) onError(error);
        },
      );
    });
    return client;
  }

  #whenReady(publisher: RedisClient): Promise<void> | undefined {
    if (publisher.status === 'ready') return undefined;
    this.#publishing ??= new Promise((resolve) => {
      publisher.once('ready', () => {
        this.#publishing = undefined;
        resolve();
      });
    });
    return this.#publishing;
  }

  #connect(whenAway: 'refuse' | 'wait'): RedisClient {
    return connectRedis(this.#options.endpoint, {
      connectionName: 'zmsg-coherence',
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      socketTimeoutMs: SOCKET_TIMEOUT_MS,
      disconnectTimeoutMs: DISCONNECT_TIMEOUT_MS,
      whenAway,
      autoPipelining: false,
      onError: this.#options.onError,
    });
  }
}
