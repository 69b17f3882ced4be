import { encodeMessage, keyBytes } from './message.js';

/** Of one message; more keys become several. */
const MAX_MESSAGE_BYTES = 64 * 1024;
/** Keys of one turn of the event loop; with more, the others drop everything. */
const MAX_KEYS = 50_000;

/** Numbers what this node tells the others, and sends the keys of one turn of the event loop together. */
export class Outbox {
  readonly #id: Buffer;
  readonly #publish: (message: Buffer) => Promise<boolean>;
  #keys = new Set<string>();
  #isAll = false;
  #sending: Promise<void> | undefined;
  #sequence = 0;
  #sentKeys = 0;
  #sentMessages = 0;
  #failedMessages = 0;

  constructor(id: Buffer, publish: (message: Buffer) => Promise<boolean>) {
    this.#id = id;
    this.#publish = publish;
  }

  /** The last number that was used. */
  get sequence(): number {
    return this.#sequence;
  }

  add(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#keys.add(key);
    return this.#send();
  }

  addAll(): Promise<void> {
    this.#isAll = true;
    return this.#send();
  }

  /** Resolves when nothing waits to be sent. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  stats(): { sentKeys: number; sentMessages: number; failedMessages: number } {
    return {
      sentKeys: this.#sentKeys,
      sentMessages: this.#sentMessages,
      failedMessages: this.#failedMessages,
    };
  }

  #send(): Promise<void> {
    this.#sending ??= new Promise((resolve) => {
      // Not a microtask: the answers of one pipeline of L2 arrive in one turn, and their keys go together.
      setImmediate(() => {
        this.#sending = undefined;
        resolve(this.#sendAll());
      });
    });
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    const keys = this.#keys;
    const isAll = this.#isAll || keys.size > MAX_KEYS;
    this.#keys = new Set();
    this.#isAll = false;
    if (isAll) {
      await this.#sendOne(undefined);
      return;
    }
    const sent: Promise<void>[] = [];
    let part: string[] = [];
    let bytes = 0;
    for (const key of keys) {
      const more = keyBytes(key);
      if (bytes + more > MAX_MESSAGE_BYTES) {
        sent.push(this.#sendOne(part));
        part = [];
        bytes = 0;
      }
      part.push(key);
      bytes += more;
    }
    if (part.length > 0) sent.push(this.#sendOne(part));
    await Promise.all(sent);
  }

  async #sendOne(keys: readonly string[] | undefined): Promise<void> {
    this.#sequence += 1;
    this.#sentMessages += 1;
    this.#sentKeys += keys?.length ?? 0;
    const body = keys === undefined ? ({ kind: 'all' } as const) : ({ kind: 'keys', keys } as const);
    if (!(await this.#publish(encodeMessage(this.#id, this.#sequence, body)))) this.#failedMessages += 1;
  }
}
