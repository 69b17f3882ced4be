import { randomBytes } from 'node:crypto';
import { Channel, type ChannelOptions } from '../coherence/channel.js';
import { observerChannel } from '../coherence/coherence.js';
import { Members } from '../coherence/members.js';
import { decodeMessage, encodeMessage, INSTANCE_BYTES } from '../coherence/message.js';
import { ConfigError } from '../error.js';
import type { Store } from '../store/store.js';

export interface AuditLinkOptions {
  readonly endpoint: ChannelOptions['endpoint'];
  /** That of the nodes. */
  readonly channel: string;
  readonly store: Store;
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
}

interface Question {
  readonly awaited: Set<string>;
  readonly replies: Map<string, Buffer>;
  readonly done: () => void;
}

/** A node that was not heard for so long is not there any more, unless the list of members says so. */
const SILENT_MS = 2_000;
/** Keys of which the last invalidation is remembered. */
const MAX_INVALIDATIONS = 100_000;

/**
 * An auditor's place in the link of the nodes: it hears what they tell each other and sends requests, but it
 * is no member. No node waits for it, so it may end in any way without one of them being in doubt.
 */
export class AuditLink {
  readonly #id = randomBytes(INSTANCE_BYTES);
  readonly #members: Members;
  readonly #fleet: Channel;
  readonly #own: Channel;
  readonly #now: () => number;
  readonly #questions = new Map<number, Question>();
  readonly #heard = new Map<string, number>();
  readonly #invalidated = new Map<string, number>();
  #allInvalidatedMs: number | undefined;
  #lastQuestion = 0;
  #onSubscribed: () => void = () => {};
  #lastError: Error | undefined;

  constructor({ endpoint, channel, store, now = () => performance.now() }: AuditLinkOptions) {
    const instance = this.#id.toString('hex');
    this.#now = now;
    this.#members = new Members(store, instance, channel, 0);
    const common = {
      endpoint,
      onLost: () => {},
      onError: (error: Error) => {
        this.#lastError = error;
      },
    };
    const subscribed = new Set<string>();
    const open = (name: string, onMessage: (message: Buffer) => void) =>
      new Channel({
        ...common,
        name,
        onMessage,
        onSubscribed: () => {
          subscribed.add(name);
          if (subscribed.size === 2) this.#onSubscribed();
        },
      });
    this.#fleet = open(channel, (message) => this.#hear(message));
    this.#own = open(observerChannel(channel, instance), (message) => this.#receive(message));
  }

  /** @throws ConfigError when Redis does not let it subscribe in time */
  async open(timeoutMs: number): Promise<void> {
    const isOpen = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, false);
      this.#onSubscribed = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.#fleet.open();
      this.#own.open();
    });
    if (isOpen) return;
    throw new ConfigError(
      `the nodes' channel cannot be heard: ${this.#lastError?.message ?? `no answer in ${timeoutMs} ms`}`,
      { key: 'redis_addr' },
    );
  }

  /** Instances of the nodes that are there: members by the database, or heard just now. @throws StoreError */
  async nodes(): Promise<Set<string>> {
    const members = await this.#members.list();
    const nodes = new Set(members.filter(({ isAlive }) => isAlive).map(({ instance }) => instance));
    const since = this.#now() - SILENT_MS;
    for (const [instance, heardMs] of this.#heard) {
      if (heardMs >= since) nodes.add(instance);
      else this.#heard.delete(instance);
    }
    return nodes;
  }

  /** Replies by node: of `to` alone, or of all nodes; resolves when those of `awaited` are there, or after `timeoutMs`. */
  async request(
    to: string | undefined,
    body: Buffer,
    awaited: ReadonlySet<string>,
    timeoutMs: number,
  ): Promise<Map<string, Buffer>> {
    const replies = new Map<string, Buffer>();
    const question = ++this.#lastQuestion;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#questions.set(question, { awaited: new Set(awaited), replies, done });
      void this.#fleet.publish(encodeMessage(this.#id, 0, { kind: 'request', to, question, body }));
    });
    this.#questions.delete(question);
    return replies;
  }

  /** When a node told that this key was written or deleted, or that any may have been; last, monotonic. */
  invalidatedMs(key: string): number | undefined {
    const one = this.#invalidated.get(key);
    const all = this.#allInvalidatedMs;
    return one === undefined || (all !== undefined && all > one) ? all : one;
  }

  async close(): Promise<void> {
    await Promise.all([this.#fleet.close(), this.#own.close()]);
  }

  #hear(bytes: Buffer): void {
    const message = decodeMessage(bytes);
    if (message === undefined) return;
    switch (message.kind) {
      case 'keys':
        for (const key of message.keys) this.#invalidate(key);
        break;
      case 'all':
        this.#allInvalidatedMs = this.#now();
        break;
      case 'beat':
        this.#heard.set(message.instance, this.#now());
        break;
      case 'bye':
        this.#heard.delete(message.instance);
        break;
    }
  }

  #invalidate(key: string): void {
    this.#invalidated.delete(key); // last in order, then
    this.#invalidated.set(key, this.#now());
    if (this.#invalidated.size <= MAX_INVALIDATIONS) return;
    const oldest = this.#invalidated.keys().next();
    if (!oldest.done) this.#invalidated.delete(oldest.value);
  }

  #receive(bytes: Buffer): void {
    const message = decodeMessage(bytes);
    if (message?.kind !== 'reply') return;
    const question = this.#questions.get(message.question);
    if (question === undefined) return;
    question.replies.set(message.instance, message.body);
    question.awaited.delete(message.instance);
    if (question.awaited.size === 0) question.done();
  }
}
