/** A key that waits for its batch. */
interface Waiting {
  value: Promise<Buffer | undefined>;
  resolve: (value: Buffer | undefined) => void;
  reject: (error: unknown) => void;
}

/** Answers for many keys at once. */
export type BatchLoad = (keys: readonly string[]) => Promise<ReadonlyMap<string, Buffer>>;

/** Most keys in one query; more in one tick become several queries at once. */
const MAX_KEYS = 10_000;

/**
 * Collects the keys that are asked for in one turn of the event loop and loads them with one call
 * (the idea of dataloader). A key is asked for twice when it was written in between: before the query was
 * sent, one answer is new enough for both.
 */
export class LoadBatch {
  readonly #load: BatchLoad;
  #waiting = new Map<string, Waiting>();

  constructor(load: BatchLoad) {
    this.#load = load;
  }

  get(key: string): Promise<Buffer | undefined> {
    const joined = this.#waiting.get(key);
    // Callers own what they get.
    if (joined !== undefined) return joined.value.then((value) => value && Buffer.from(value));
    if (this.#waiting.size >= MAX_KEYS) this.#dispatch();
    // setImmediate, not a microtask: the answers of one L2 pipeline arrive in one turn, but at
    // different depths of the microtask queue.
    if (this.#waiting.size === 0) setImmediate(() => this.#dispatch());
    let resolve!: Waiting['resolve'];
    let reject!: Waiting['reject'];
    const value = new Promise<Buffer | undefined>((...settle) => {
      [resolve, reject] = settle;
    });
    this.#waiting.set(key, { value, resolve, reject });
    return value;
  }

  #dispatch(): void {
    const waiting = this.#waiting;
    if (waiting.size === 0) return;
    this.#waiting = new Map();
    this.#load([...waiting.keys()]).then(
      (values) => {
        for (const [key, { resolve }] of waiting) resolve(values.get(key));
      },
      (error: unknown) => {
        for (const { reject } of waiting.values()) reject(error);
      },
    );
  }
}
