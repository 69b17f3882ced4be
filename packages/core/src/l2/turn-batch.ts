/** Sent as one command, which keeps Redis for about a millisecond. */
const MAX_ITEMS = 500;
const MAX_BYTES = 256 * 1024;

/** One command for all items of so many calls; answers in the items' order. */
export type SendAll<Item, Answer> = (items: Item[], calls: number) => Promise<readonly Answer[]>;

interface Open<Item, Answer> {
  readonly items: Item[];
  readonly answers: Promise<readonly Answer[]>;
  readonly resolve: (answers: Promise<readonly Answer[]>) => void;
}

/**
 * Collects what is asked of Redis in one turn of the event loop into one command: ioredis makes an object, two
 * promises and a packet's worth of text for each. The answer of a command that failed is that of all its items.
 *
 * For what may be sent later than it was called: reads, and scripts that compare before they set.
 */
export class TurnBatch<Item, Answer> {
  readonly #send: SendAll<Item, Answer>;
  #open: Open<Item, Answer> | undefined;
  #calls = 0;
  #bytes = 0;
  readonly #flushLater = () => this.flush();

  constructor(send: SendAll<Item, Answer>) {
    this.#send = send;
  }

  /** That wait to be sent. */
  get calls(): number {
    return this.#calls;
  }

  async add(item: Item, bytes = 0): Promise<Answer> {
    const open = this.#roomFor(1, bytes);
    const at = open.items.push(item) - 1;
    return (await open.answers)[at] as Answer;
  }

  /** Answers of these items alone, in their order. They are never split over two commands. */
  async addAll(items: readonly Item[], bytes = 0): Promise<readonly Answer[]> {
    const open = this.#roomFor(items.length, bytes);
    const from = open.items.length;
    for (const item of items) open.items.push(item);
    const answers = await open.answers;
    return answers.length === items.length ? answers : answers.slice(from, from + items.length);
  }

  /** Sends what waits. */
  flush(): void {
    const open = this.#open;
    if (open === undefined) return;
    const calls = this.#calls;
    this.#open = undefined;
    this.#calls = 0;
    this.#bytes = 0;
    open.resolve(this.#send(open.items, calls));
  }

  #roomFor(items: number, bytes: number): Open<Item, Answer> {
    const waiting = this.#open?.items.length ?? 0;
    if (waiting + items > MAX_ITEMS || this.#bytes + bytes > MAX_BYTES) this.flush();
    this.#calls += 1;
    this.#bytes += bytes;
    if (this.#open !== undefined) return this.#open;
    let resolve!: Open<Item, Answer>['resolve'];
    const answers = new Promise<readonly Answer[]>((settle) => {
      resolve = settle;
    });
    this.#open = { items: [], answers, resolve };
    // Not a microtask: what one answer of Redis wakes comes at different depths of the microtask queue.
    setImmediate(this.#flushLater);
    return this.#open;
  }
}
