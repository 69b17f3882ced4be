import { randomBytes, randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Cluster, Redis } from 'ioredis';
import { runScript, type ScriptArgument } from '../l2/run-script.js';
import { BloomBits } from './bloom-bits.js';
import { BEAT, JOIN, LEAVE, MERGE, READ } from './share-scripts.js';

export type ShareEvent =
  /** Redis has another bitmap than before: what other nodes wrote must be read from the tables again. */
  | { readonly type: 'bloom:share:adopted'; readonly incarnation: number }
  /** The other nodes can count on this one. */
  | { readonly type: 'bloom:share:joined' }
  /** Keys may not have reached Redis. Once the others have noticed, all their look-ups pass. */
  | { readonly type: 'bloom:share:apart'; readonly error: unknown };

export interface BloomShareOptions {
  readonly redis: Redis | Cluster;
  /** Of all keys in Redis. */
  readonly cachePrefix: string;
  /** For so long the others count on a node that they hear nothing of. The same on all nodes. @default 1500 */
  readonly leaseMs?: number;
  /** Slower reads count as "may exist". @default 100 */
  readonly readTimeoutMs?: number;
  /** A node that was not heard of for so long, and did not close, is not waited for any more. @default 600000 */
  readonly forgetMs?: number;
  /**
   * Never rejects; resolves when what an earlier process of this node had acknowledged is in its tables,
   * with whether there was anything. Its bits may be gone with it: until then the others let everything
   * pass, and after that they read the tables again. @default nothing
   */
  readonly inherited?: Promise<boolean>;
}

export interface BloomShareStats {
  readonly state: 'apart' | 'joining' | 'joined' | 'closed';
  readonly incarnation: number;
  /** Look-ups that Redis decided. */
  readonly answered: number;
  /** Look-ups that passed because Redis could not be trusted. */
  readonly doubtful: number;
  /** Keys of which Redis may not know: written to it when this node joins again. */
  readonly unshared: number;
}

const NOTHING = Buffer.alloc(0);
const PUBLISH_TIMEOUT_MS = 250;
const JOIN_TIMEOUT_MS = 1000;
const MAX_WAITING_READS = 10_000;
const BLOCKS_PER_CALL = 128;
/** Drift between this machine's monotonic clock and the clock of Redis, over one lease. */
const DRIFT_MS = 50;

/**
 * The nodes' common bitmap in Redis, and why an absent bit there is proof.
 *
 *     apart ──join──▶ joining ──all own bits written──▶ joined (beats every leaseMs / 3)
 *       ▲                │                                 │
 *       └────────────────┴──a write to Redis failed────────┘
 *
 * A node writes the bits of a key before it writes the row. If that fails it stops beating, and the
 * row waits until its last beat is older than `leaseMs`: from then on every node that reads the
 * bitmap sees a member that is overdue, and lets everything pass. So Redis may fail for one node, for
 * all, or for none, and no key is denied. The node is back when all bits that it ever added (`#own`,
 * not those it read from tables: each node reads the tables itself) are in Redis.
 *
 * The bitmap has a header: the identity of the server and a random token. A read is valid only if the
 * header is the adopted one and the identity is the server's. Flushed, evicted (the header goes with the
 * bits), restarted with less than it had, replaced by a replica: all of that fails this check. The
 * first to notice makes a new bitmap; each node joins it, writes its own bits, and reads the tables
 * again. A new bitmap denies nothing until it is older than `leaseMs`, by when every node has noticed
 * or is overdue; members of the old one are entered as overdue by those who knew them.
 *
 * Rows may also come to be without anybody who knows their bits: from the log of a process that died,
 * and from a node that was apart when it died. While the first are written the node does not beat, and
 * after either (its time to be forgotten has come) the bitmap is replaced, for the tables to be read again.
 *
 * A beat names the time on Redis' clock until which it counts, and never one later than `leaseMs`
 * after it was sent: one that is delayed on the way does not count for longer. When that clock is found
 * set back, against this machine's monotonic one, what was written before means nothing: the bitmap is
 * replaced.
 *
 * Not covered: a node cut off from Redis, but not from PostgreSQL, for longer than `forgetMs` (it is
 * forgotten), or that was never once connected; and two masters at once, as long as Redis allows it.
 */
export class BloomShare {
  readonly #redis: Redis | Cluster;
  readonly #keys: readonly string[];
  readonly #leaseMs: number;
  readonly #readTimeoutMs: number;
  readonly #forgetMs: number;
  readonly #bits: BloomBits;
  readonly #onEvent: (event: ShareEvent) => void;
  readonly #layout: string;
  readonly #me: string;
  /** Every key this node ever published or should have. */
  readonly #own: BloomBits;
  /** The part of `#own` that the adopted bitmap has. */
  #published: BloomBits;
  #state: BloomShareStats['state'] = 'apart';
  /** Raised when the state falls back to apart: what began before does not count. */
  #attempt = 0;
  /** What an earlier process left is still being written. */
  #isInheriting: boolean;
  /** A bitmap of our own making is needed: this one may be older than rows that nobody announced. */
  #mustCreate = false;
  /** To be replaced, unless somebody has done so. */
  #outdated: Buffer = NOTHING;
  #incarnation = 0;
  #header: Buffer = NOTHING;
  #members: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastBeatSentMs = -Infinity;
  /** Redis' clock, and ours when we learnt it. */
  #redisNowMs = 0;
  #learntMs = 0;
  #unshared = 0;
  #answered = 0;
  #doubtful = 0;
  #reads: { key: string; answer: (mayExist: boolean) => void }[] = [];
  #writes: { blocks: Set<number>; keys: number; done: Promise<void> } | undefined;

  constructor(options: BloomShareOptions, bits: BloomBits, onEvent: (event: ShareEvent) => void) {
    this.#redis = options.redis;
    this.#leaseMs = options.leaseMs ?? 1500;
    this.#readTimeoutMs = options.readTimeoutMs ?? 100;
    this.#forgetMs = options.forgetMs ?? 600_000;
    this.#bits = bits;
    this.#onEvent = onEvent;
    this.#layout = `${bits.layout} `;
    this.#keys = bloomKeys(options.cachePrefix, bits.layout);
    this.#me = this.#layout + randomUUID();
    this.#own = emptyLike(bits);
    this.#published = emptyLike(bits);
    this.#isInheriting = options.inherited !== undefined;
    void options.inherited?.then((wasThere) => {
      this.#isInheriting = false;
      this.#mustCreate = wasThere;
      if (this.#state === 'joining') this.#schedule(0);
    });
    this.#schedule(0);
  }

  /** Resolves when the others know of this node, and let everything pass until it is joined; or when closed. */
  async registered(): Promise<void> {
    while (this.#state === 'apart') await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Raised with each bitmap that is adopted; 0: none yet. */
  get incarnation(): number {
    return this.#incarnation;
  }

  /**
   * Resolves when the rows of these keys may be written; nothing to wait for when Redis has their
   * bits already. Never rejects.
   */
  publish(keys: readonly string[]): Promise<void> | undefined {
    const blocks = new Set<number>();
    for (const key of keys) {
      if (this.#published.mayContain(key)) continue;
      this.#own.add(key);
      blocks.add(this.#own.blockOf(key));
    }
    if (blocks.size === 0 || this.#state === 'closed') return undefined;
    if (this.#state === 'apart') {
      this.#unshared += blocks.size;
      return this.#overdue();
    }
    if (this.#writes === undefined) {
      const writes = { blocks, keys: keys.length, done: Promise.resolve().then(() => this.#flushWrites()) };
      this.#writes = writes;
    } else {
      for (const block of blocks) this.#writes.blocks.add(block);
      this.#writes.keys += keys.length;
    }
    return this.#writes.done;
  }

  /** False: no other node has added the key under the adopted bitmap. Never rejects. */
  mayContain(key: string): Promise<boolean> {
    if (
      this.#state !== 'joined' ||
      this.#redis.status !== 'ready' ||
      this.#reads.length >= MAX_WAITING_READS
    ) {
      this.#doubtful += 1;
      return Promise.resolve(true);
    }
    return new Promise((answer) => {
      this.#reads.push({ key, answer });
      if (this.#reads.length === 1) queueMicrotask(() => void this.#flushReads());
    });
  }

  /** Resolves when the bitmap is trusted, or the share is closed: for tests and tools. */
  async trusted(): Promise<void> {
    while (this.#state !== 'closed') {
      // A read that failed says the same as a refused one: not trusted yet, look again.
      if (this.#state === 'joined' && (await this.#read([0]).catch(() => undefined)) !== undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  stats(): BloomShareStats {
    return {
      state: this.#state,
      incarnation: this.#incarnation,
      answered: this.#answered,
      doubtful: this.#doubtful,
      unshared: this.#unshared,
    };
  }

  /** After the last write of this node: the others need not wait for it any more. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    await this.#writes?.done;
    this.#state = 'closed';
    this.#attempt += 1;
    clearTimeout(this.#timer);
    // Bits that never reached Redis: the others must go on letting everything pass until it forgets us.
    // A farewell that is lost costs the others look-ups until they forget us, nothing else.
    if (this.#unshared === 0 && this.#redis.status === 'ready')
      await this.#run(LEAVE, [this.#me], JOIN_TIMEOUT_MS).catch(() => {});
  }

  async #flushWrites(): Promise<void> {
    const writes = this.#writes;
    this.#writes = undefined;
    if (writes === undefined) return;
    const attempt = this.#attempt;
    try {
      await this.#merge([...writes.blocks]);
    } catch (error) {
      // A join that began since has taken, or takes, these keys along: they were own before it looked.
      if (attempt === this.#attempt || this.#state === 'apart') this.#unshared += writes.keys;
      if (attempt === this.#attempt) this.#fallApart(error);
      await this.#overdue();
    }
  }

  /** Writes own blocks to the adopted bitmap. */
  async #merge(blocks: readonly number[]): Promise<void> {
    const header = this.#header;
    for (let at = 0; at < blocks.length; at += BLOCKS_PER_CALL) {
      const part = blocks
        .slice(at, at + BLOCKS_PER_CALL)
        .map((index) => ({ index, bytes: this.#own.block(index) }));
      const args = part.flatMap(({ index, bytes }) => [index, bytes]);
      const done = await this.#run(MERGE, [header, ...args], PUBLISH_TIMEOUT_MS);
      if (done !== 1 || header !== this.#header) throw new Error('Redis lost the Bloom filter');
      for (const { index, bytes } of part) this.#published.orBlock(index, bytes);
    }
  }

  /** Until no node counts on this one any more. */
  #overdue(): Promise<void> | undefined {
    const leftMs = this.#lastBeatSentMs + this.#leaseMs + DRIFT_MS - performance.now();
    return leftMs > 0 ? new Promise((resolve) => setTimeout(resolve, leftMs)) : undefined;
  }

  async #flushReads(): Promise<void> {
    const reads = this.#reads;
    this.#reads = [];
    const blocks = [...new Set(reads.map(({ key }) => this.#bits.blockOf(key)))];
    let isKnown = true;
    for (let at = 0; isKnown && at < blocks.length; at += BLOCKS_PER_CALL) {
      const part = blocks.slice(at, at + BLOCKS_PER_CALL);
      // No answer proves nothing: the keys pass, and are counted as doubtful.
      const bytes = await this.#read(part).catch(() => undefined);
      isKnown = bytes !== undefined;
      for (const [n, block] of part.entries()) if (bytes) this.#bits.orBlock(block, bytes[n] as Buffer);
    }
    if (isKnown) this.#answered += reads.length;
    else this.#doubtful += reads.length;
    for (const { key, answer } of reads) answer(!isKnown || this.#bits.mayContain(key));
  }

  /** The blocks' bytes; undefined: they prove nothing. */
  async #read(blocks: readonly number[]): Promise<Buffer[] | undefined> {
    const attempt = this.#attempt;
    const sentMs = performance.now();
    const age = this.#leaseMs + 2 * DRIFT_MS;
    const reply = await this.#run(READ, [this.#header, age, this.#layout, ...blocks], this.#readTimeoutMs);
    if (attempt !== this.#attempt) return undefined;
    if (reply === 1) this.#fallApart(new Error('Redis lost the Bloom filter'));
    if (!Array.isArray(reply)) return undefined;
    const [redisNowMs, ...bytes] = reply as [number, ...Buffer[]];
    return this.#isSetBack(redisNowMs, sentMs) ? undefined : bytes;
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void (this.#state === 'joined' ? this.#beat() : this.#join()), ms);
    this.#timer.unref();
  }

  /** No beat is sent from here until all own bits are in Redis. */
  #fallApart(error: unknown): void {
    if (this.#state === 'closed') return;
    this.#attempt += 1;
    const wasJoined = this.#state === 'joined';
    this.#state = 'apart';
    this.#schedule(wasJoined ? 0 : 200);
    if (wasJoined) this.#emit({ type: 'bloom:share:apart', error });
  }

  /** Never rejects. */
  async #join(): Promise<void> {
    const attempt = this.#attempt;
    try {
      const others = this.#members.filter((member) => member !== this.#me);
      const token = randomToken();
      const isCreating = this.#mustCreate;
      const replaced = isCreating ? this.#header : this.#outdated;
      const reply = await this.#run(JOIN, [this.#me, token, replaced, ...others], JOIN_TIMEOUT_MS);
      if (attempt !== this.#attempt) return;
      const [header, redisNowMs] = reply as [Buffer, number];
      this.#learn(redisNowMs);
      this.#outdated = NOTHING;
      if (isCreating && header.includes(token)) this.#mustCreate = false;
      // From here keys that are added write themselves; those added before are in `#own`.
      this.#state = 'joining';
      if (!header.equals(this.#header)) {
        this.#header = header;
        this.#published = emptyLike(this.#bits);
        this.#incarnation += 1;
        this.#emit({ type: 'bloom:share:adopted', incarnation: this.#incarnation });
      }
      const unshared = this.#unshared;
      await this.#merge(this.#missing());
      if (attempt !== this.#attempt) return;
      this.#unshared -= unshared;
      if (this.#isInheriting || this.#mustCreate) {
        // Again, so that it is not forgotten meanwhile.
        this.#schedule(this.#mustCreate ? 0 : this.#leaseMs / 3);
        return;
      }
      await this.#beat();
      if (attempt === this.#attempt && this.stats().state === 'joined')
        this.#emit({ type: 'bloom:share:joined' });
    } catch (error) {
      if (attempt === this.#attempt) this.#fallApart(error);
    }
  }

  /** Blocks with own bits that the adopted bitmap may lack. */
  #missing(): number[] {
    const missing: number[] = [];
    for (let index = 0; index < this.#own.blocks; index++)
      if (!this.#own.isBlockEmpty(index) && !this.#own.block(index).equals(this.#published.block(index)))
        missing.push(index);
    return missing;
  }

  /** Tells the others that all bits of this node are in Redis. Never rejects. */
  async #beat(): Promise<void> {
    const attempt = this.#attempt;
    const sentMs = performance.now();
    const untilMs = this.#redisNowMs + Math.floor(sentMs - this.#learntMs) + this.#leaseMs;
    let reply: unknown;
    // Before it is sent: even if no answer comes, the others may count on us for so long.
    this.#lastBeatSentMs = sentMs;
    try {
      const beat = [this.#header, this.#me, untilMs, this.#forgetMs, randomToken()];
      reply = await this.#run(BEAT, beat, this.#leaseMs / 3);
    } catch (error) {
      // Overdue, at worst: the others let everything pass until a beat arrives. Nothing was unshared.
      if (attempt === this.#attempt && this.#state === 'joined') this.#schedule(this.#leaseMs / 3);
      else if (attempt === this.#attempt) this.#fallApart(error);
      return;
    }
    if (attempt !== this.#attempt) return;
    if (!Array.isArray(reply)) {
      this.#fallApart(new Error('Redis lost the Bloom filter'));
      return;
    }
    const [redisNowMs, ...members] = reply as [number, ...Buffer[]];
    if (this.#isSetBack(redisNowMs, sentMs)) return;
    this.#learn(redisNowMs);
    this.#members = members.map(String);
    this.#state = 'joined';
    this.#schedule(this.#leaseMs / 3);
  }

  #learn(redisNowMs: number): void {
    this.#redisNowMs = redisNowMs;
    this.#learntMs = performance.now();
  }

  /** Whether Redis' clock shows less than it must by ours; then this node is apart. */
  #isSetBack(redisNowMs: number, sentMs: number): boolean {
    if (redisNowMs >= this.#redisNowMs + (sentMs - this.#learntMs) - DRIFT_MS) return false;
    this.#outdated = this.#header;
    this.#fallApart(new Error('the clock of Redis was set back'));
    return true;
  }

  async #run(script: string, args: readonly ScriptArgument[], timeoutMs: number): Promise<unknown> {
    // Disconnected, ioredis would queue the call and run it some time later.
    if (this.#redis.status !== 'ready') throw new Error(`Redis is ${this.#redis.status}`);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Redis gave no answer in ${timeoutMs} ms`)), timeoutMs);
    });
    const call = runScript(this.#redis, script, this.#keys, args);
    try {
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #emit(event: ShareEvent): void {
    this.#onEvent(event);
  }
}

/**
 * A bitmap for each layout and one list of members for all, in one slot of a cluster: nodes with another
 * `bloom_capacity` cannot share bits with us, but they must be seen.
 */
export function bloomKeys(cachePrefix: string, layout: string): [bits: string, members: string] {
  const base = `${cachePrefix}bloom:{zmsg}`;
  return [`${base}:bits:${layout}`, `${base}:members`];
}

function randomToken(): string {
  return randomBytes(12).toString('hex');
}

function emptyLike(bits: BloomBits): BloomBits {
  return BloomBits.create({ blocks: bits.blocks, k: bits.k }, bits.seed);
}
