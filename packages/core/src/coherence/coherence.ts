import { randomBytes } from 'node:crypto';
import type { Store } from '../store/store.js';
import { BOUNDS, type CoherenceBounds } from './bounds.js';
import { Channel, type ChannelOptions } from './channel.js';
import { Members } from './members.js';
import { type Body, decodeMessage, encodeMessage, INSTANCE_BYTES, type Message } from './message.js';
import { Outbox } from './outbox.js';
import { Peers } from './peers.js';
import { Pulse } from './pulse.js';
import { type DigestOf, Questions } from './questions.js';

export type CoherenceEvent =
  /** From here on L1 keeps nothing for longer than a second, and loads ask the primary database. */
  | {
      readonly type: 'coherence:link:lost';
      /** `link`: this node hears nothing; `peers`: it does not hear some others, or those owe L2 a repair. */
      readonly reason: 'link' | 'peers';
    }
  | { readonly type: 'coherence:link:restored' }
  /** Messages of another node were missed: L1 was emptied. */
  | { readonly type: 'coherence:messages:missed' };

export interface CoherenceOptions {
  readonly endpoint: ChannelOptions['endpoint'];
  /** Nodes that share it hear each other. */
  readonly channel: string;
  readonly store: Store;
  /** Whether Redis may have old values of this node's writes. */
  readonly owes: () => boolean;
  /** Other nodes wrote or deleted these keys. */
  readonly onKeys: (keys: readonly string[]) => void;
  /** Any key may have been written: nothing cached or loaded before may be used. */
  readonly onDoubt: () => void;
  /** Nothing in Redis may be believed: a node died that could not tell Redis what it wrote. */
  readonly onSharedDoubt: () => void;
  /** What L1 has of a key, for a node that compares. */
  readonly digestOf: DigestOf;
  /** Answers an observer's request; undefined: not at all. Never rejects. */
  readonly onRequest?: (body: Buffer) => Promise<Buffer | undefined>;
  readonly onEvent: (event: CoherenceEvent) => void;
  readonly onError: (error: Error, what: string) => void;
  /** @default BOUNDS */
  readonly bounds?: Partial<CoherenceBounds>;
}

export interface CoherenceStats {
  state: 'trusted' | 'doubt';
  /** Other nodes that this one knows of. */
  peers: number;
  /** Keys and messages told to the others; messages that Redis did not accept. */
  sentKeys: number;
  sentMessages: number;
  failedMessages: number;
  /** Keys that others told of. */
  receivedKeys: number;
  /** Times that messages were missed, and that the link was in doubt. */
  gaps: number;
  doubts: number;
}

/** L2 may owe a repair for so long before the others are to know; most take a quarter of it. */
const OWES_MS = 1_000;

/** On which the nodes of one Redis hear each other. Channels do not belong to a database of Redis. */
export function fleetChannel({ cachePrefix, redisDb }: { cachePrefix: string; redisDb: number }): string {
  return `${cachePrefix}coherence:${redisDb}`;
}

/** Where an observer hears the replies to its requests. */
export function observerChannel(channel: string, instance: string): string {
  return `${channel}:observer:${instance}`;
}

/**
 * Keeps L1 of several nodes coherent over one Redis.
 *
 *     doubt ──link up, every peer heard, none owes──▶ trusted
 *       ▲                                               │
 *       └──own messages do not come back; a peer is ────┘
 *          silent, or owes Redis a deletion; stopped
 *
 * `trusted`: whatever another node writes is heard of. Each node numbers its messages and beats: a
 * missing number empties L1. A message that Redis did not take has a number all the same, so the next
 * beat shows the others that one is missing.
 *
 * `doubt`: nothing is known. What was cached before is gone from L1, what comes now lives for
 * `doubtTtlMs`, and L2 is believed only where the database does not say better. So a Redis that is away
 * does not become a rush on PostgreSQL, and a stale read is bounded. Both turns empty L1, which also voids
 * the loads under way.
 *
 * A node is in doubt about *others*, too: one that cannot reach Redis goes on writing, and one that
 * died may have died between its commit and its message. Both are silent, and stay suspects until they
 * are heard again, have said goodbye, or their row in `zmsg_members` has ended: they are dead then. Before
 * a node writes what Redis cannot be told, its row says so; if it dies so, nothing in L2 is believed.
 */
export class Coherence {
  /** For threads that read the same L1. */
  readonly pulse = new Pulse();
  readonly #options: CoherenceOptions;
  readonly #bounds: CoherenceBounds;
  readonly #id = randomBytes(INSTANCE_BYTES);
  readonly #instance = this.#id.toString('hex');
  readonly #peers: Peers;
  readonly #members: Members;
  readonly #channel: Channel;
  readonly #outbox: Outbox;
  readonly #questions: Questions;
  #state: 'trusted' | 'doubt' = 'doubt';
  /** Since the link came up every peer was heard. */
  #isSettled = false;
  #isSubscribed = false;
  /** When the last own beat that came back was sent: all that was told before was heard. */
  #heardToMs = Number.NEGATIVE_INFINITY;
  #subscribedAtMs = 0;
  /** When the subscription was last asked for. */
  #askedAtMs = performance.now();
  /** The list of members was read since the state was in doubt. */
  #isListed = false;
  #isLooking = false;
  /** The dead whose owing was answered by distrust. */
  readonly #condemned = new Set<string>();
  #isEntered = false;
  #owesOnRecord = false;
  #owesSinceMs: number | undefined;
  #tickAtMs = 0;
  #lookAtMs = 0;
  #renewAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isLost = false;
  #onTrusted: () => void = () => {};
  #receivedKeys = 0;
  #gaps = 0;
  #doubts = 0;

  constructor(options: CoherenceOptions) {
    this.#options = options;
    this.#bounds = { ...BOUNDS, ...options.bounds };
    this.#peers = new Peers(this.#bounds.silentMs);
    this.#members = new Members(options.store, this.#instance, options.channel, this.#bounds.memberTtlMs);
    this.#outbox = new Outbox(this.#id, (message) => this.#channel.publish(message));
    this.#questions = new Questions(this.#instance, options.digestOf, (body) => this.#tell(body));
    this.#channel = new Channel({
      endpoint: options.endpoint,
      name: options.channel,
      onMessage: (message) => this.#receive(message),
      onSubscribed: () => {
        this.#isSubscribed = true;
        this.#subscribedAtMs = performance.now();
        this.#beat(true);
      },
      onLost: () => {
        this.#isSubscribed = false;
        this.#judge();
      },
      onError: (error) => options.onError(error, 'Redis (coherence) cannot be reached'),
    });
  }

  /** Enters the fleet; resolves when the link is trusted, or after `waitMs` in doubt. @throws StoreError */
  async open(waitMs: number): Promise<void> {
    await this.#members.renew(false);
    this.#isEntered = true;
    this.#askedAtMs = performance.now();
    this.#channel.open();
    this.#renewAtMs = performance.now();
    await this.#look();
    this.#tickAtMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), this.#bounds.beatMs).unref();
    this.#judge();
    if (!this.isInDoubt) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#onTrusted = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Other nodes may be writing what this one does not hear of. */
  get isInDoubt(): boolean {
    return this.#state === 'doubt';
  }

  /**
   * How long a value may live in L1, of the milliseconds that it has; not above zero: not at all. `sinceMs`
   * (`performance.now`): when the load or write began that it comes from. Its answer may have waited for as long
   * as this process stood still.
   */
  l1Ttl(ttlMs: number, sinceMs: number): number {
    if (this.#state === 'trusted') return ttlMs;
    return Math.min(ttlMs, sinceMs + this.#bounds.doubtTtlMs - performance.now());
  }

  /**
   * Tells the others that these keys were written or deleted; call it when L2 has been. Resolves when Redis
   * has accepted it, or did not: then the others notice, at the latest by this node's silence. Never rejects.
   */
  publish(keys: readonly string[]): Promise<void> {
    return this.#outbox.add(keys);
  }

  /** Any key may have changed. */
  publishAll(): Promise<void> {
    return this.#outbox.addAll();
  }

  /**
   * To be called before a strong write that Redis could not be told of: if this node dies now, the
   * others must know that Redis has an old value. One statement for each time that Redis is away.
   *
   * @throws StoreError
   */
  async recordOwing(): Promise<void> {
    if (this.#owesOnRecord) return;
    await this.#members.renew(true);
    this.#owesOnRecord = true;
    this.#owesSinceMs ??= performance.now();
  }

  /** What the other nodes' L1 have of these keys: a digest by key, by node. Who does not answer in time is missing. */
  ask(keys: readonly string[], timeoutMs: number): Promise<Map<string, Map<string, Buffer | undefined>>> {
    return this.#questions.ask(keys, this.#peers.count, timeoutMs);
  }

  stats(): CoherenceStats {
    return {
      state: this.#state,
      peers: this.#peers.count,
      ...this.#outbox.stats(),
      receivedKeys: this.#receivedKeys,
      gaps: this.#gaps,
      doubts: this.#doubts,
    };
  }

  /** After the last write of this node. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#outbox.settled();
    this.#isClosed = true;
    clearInterval(this.#timer);
    // Who owes does not say goodbye: the others find out from its row.
    if (!this.#options.owes()) {
      await this.#channel.publish(this.#message({ kind: 'bye' }));
      // Left behind, the row ends by itself, and costs the others what a death does.
      await this.#members
        .leave()
        .catch((error: Error) => this.#options.onError(error, 'a member did not leave'));
    } else {
      await this.#members
        .renew(true)
        .catch((error: Error) => this.#options.onError(error, 'what L2 is owed was not recorded'));
    }
    await this.#channel.close();
  }

  #receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    const message = decodeMessage(bytes);
    // Of a later version: its number will be missing, and that is treated as what it is.
    if (message === undefined) return;
    if (message.instance === this.#instance) {
      if (message.kind === 'beat') this.#heardToMs = Math.max(this.#heardToMs, message.sentMs);
    } else if (message.kind === 'request') void this.#serve(message);
    else this.#hear(message);
    if (this.#state === 'doubt') this.#judge();
  }

  #hear(message: Message): void {
    const { instance, sequence, kind } = message;
    const isNumbered = kind === 'keys' || kind === 'all';
    const missed = this.#peers.receive(instance, sequence, isNumbered, performance.now(), !this.#isSettled);
    if (missed) {
      this.#gaps += 1;
      this.#options.onDoubt();
      this.#options.onEvent({ type: 'coherence:messages:missed' });
    }
    switch (message.kind) {
      case 'keys':
        this.#receivedKeys += message.keys.length;
        this.#options.onKeys(message.keys);
        break;
      case 'all':
        this.#options.onDoubt();
        break;
      case 'beat':
        this.#peers.owes(instance, message.owes);
        if (message.wantsAnswer) this.#beat(false);
        if (message.owes) this.#judge();
        break;
      case 'bye':
        this.#peers.leave(instance);
        break;
      default:
        this.#questions.receive(message);
    }
  }

  /** Past the peers: whether an observer is there or not makes no difference to what this node believes. */
  async #serve({ instance, to, question, body }: Message & { kind: 'request' }): Promise<void> {
    const { channel, onRequest } = this.#options;
    if (to !== undefined && to !== this.#instance) return;
    const reply = await onRequest?.(body);
    if (reply === undefined || this.#isClosed) return;
    const message = this.#message({ kind: 'reply', question, body: reply });
    await this.#channel.publish(message, observerChannel(channel, instance));
  }

  #tick(): void {
    const now = performance.now();
    const sinceMs = now - this.#tickAtMs;
    this.#tickAtMs = now;
    this.#beat(false);
    if (now - this.#lookAtMs >= this.#bounds.lookMs) void this.#look();
    // What came while this thread was busy is read after the timers: its silence is none. But when it
    // was busy, or stopped, for so long that it must have missed the moment of doubt, that is now.
    if (sinceMs > this.#bounds.silentMs) this.#judge();
    else if (sinceMs < 2 * this.#bounds.beatMs) setImmediate(() => this.#judge());
    // After the judgement: a thread must not believe L1 again before a loop that was blocked has emptied it.
    this.pulse.beat();
  }

  #judge(): void {
    if (this.#isClosed) return;
    const now = performance.now();
    const { silentMs } = this.#bounds;
    const isUp = this.#isSubscribed && this.#heardToMs >= Math.max(this.#subscribedAtMs, now - silentMs);
    if (!isUp) {
      if (this.#isSettled) {
        this.#isSettled = false;
        this.#peers.startAgain(now);
      }
      this.#doubt('link');
      if (now - Math.max(this.#heardToMs, this.#subscribedAtMs, this.#askedAtMs) > silentMs) {
        this.#askedAtMs = now;
        this.#isSubscribed = false;
        this.#channel.subscribeAgain();
      }
    } else if (this.#peers.suspects(now, !this.#isSettled).length > 0) this.#doubt('peers');
    else if (this.#isListed) this.#trust();
  }

  #doubt(reason: 'link' | 'peers'): void {
    if (this.#state === 'doubt') return;
    this.#state = 'doubt';
    this.#isListed = false;
    this.#doubts += 1;
    this.#isLost = true;
    this.#options.onDoubt();
    void this.#look();
    this.#options.onEvent({ type: 'coherence:link:lost', reason });
  }

  #trust(): void {
    this.#isSettled = true;
    if (this.#state === 'trusted') return;
    this.#state = 'trusted';
    // Loads that began in doubt may have missed a message that came before the link was back.
    this.#options.onDoubt();
    if (this.#isLost) this.#options.onEvent({ type: 'coherence:link:restored' });
    this.#isLost = false;
    this.#onTrusted();
  }

  #beat(wantsAnswer: boolean): void {
    if (this.#isClosed || !this.#isEntered) return;
    const sentMs = performance.now();
    if (!this.#options.owes()) this.#owesSinceMs = undefined;
    else this.#owesSinceMs ??= sentMs;
    const owes = this.#owesSinceMs !== undefined && sentMs - this.#owesSinceMs > OWES_MS;
    void this.#channel.publish(this.#message({ kind: 'beat', sentMs, owes, wantsAnswer }));
  }

  /** Compares what is heard with the list of members, and renews the own row. */
  async #look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    this.#lookAtMs = performance.now();
    try {
      await this.#renewWhenDue();
      const members = await this.#members.list();
      if (this.#isClosed) return;
      const dead = members.filter(({ instance, isAlive }) => !isAlive && !this.#isHeard(instance));
      for (const { instance, owes } of dead) {
        this.#peers.leave(instance);
        if (!owes || this.#condemned.has(instance)) continue;
        this.#condemned.add(instance);
        this.#options.onSharedDoubt();
      }
      for (const { instance, isAlive } of members) {
        if (isAlive) this.#peers.expect(instance, performance.now());
      }
      // Gone without a word that came here; a node that was just heard may be newer than the list.
      const listed = new Set(members.map(({ instance }) => instance));
      for (const suspect of this.#peers.suspects(performance.now(), !this.#isSettled)) {
        if (!listed.has(suspect) && !this.#isHeard(suspect)) this.#peers.leave(suspect);
      }
      this.#isListed = true;
      if (dead.length > 0) await this.#bury(dead.map(({ instance }) => instance));
    } catch (error) {
      // Without the list nothing is believed that was not before; the next look tries again.
      if (!this.#isClosed) this.#options.onError(error as Error, 'the list of members cannot be read');
    } finally {
      this.#isLooking = false;
      this.#judge();
    }
  }

  #isHeard(instance: string): boolean {
    const suspects = this.#peers.suspects(performance.now(), true);
    return this.#peers.has(instance) && !suspects.includes(instance);
  }

  async #renewWhenDue(): Promise<void> {
    const now = performance.now();
    const owes = this.#options.owes();
    const isDue = now - this.#renewAtMs >= this.#bounds.memberTtlMs / 3;
    if (!this.#isEntered || (!isDue && owes === this.#owesOnRecord)) return;
    await this.#members.renew(owes);
    this.#renewAtMs = now;
    this.#owesOnRecord = owes;
  }

  /** Not before L2 is cleared of what they left: another node may have to do it, if this one dies. */
  async #bury(dead: readonly string[]): Promise<void> {
    if (this.#options.owes()) return;
    await this.#members.bury(dead);
    for (const instance of dead) this.#condemned.delete(instance);
  }

  #tell(body: Body): Promise<boolean> {
    return this.#channel.publish(this.#message(body));
  }

  #message(body: Body): Buffer {
    return encodeMessage(this.#id, this.#outbox.sequence, body);
  }
}
