import { feedContent, feedId } from '../peers/feed-table.js';

type Value = Uint8Array | string | null | undefined;

/** Rows in their order, each of them once: what was read is in the caches from then on. */
export class FeedCursor {
  #next: number;
  readonly #end: number;

  constructor(first: number, end: number) {
    this.#next = first;
    this.#end = end;
  }

  /** Reads the next row and checks its value. */
  async read(get: (id: string) => Promise<Value>): Promise<void> {
    const [n] = this.#take(1);
    check(n as number, await get(feedId(n as number)));
  }

  /** The same for `count` rows at once. */
  async readMany(
    count: number,
    getMany: (ids: string[]) => Promise<ReadonlyMap<string, Value>>,
  ): Promise<void> {
    const rows = this.#take(count);
    const values = await getMany(rows.map(feedId));
    if (values.size !== count) throw new Error(`${values.size} of ${count} rows were found`);
    for (const n of rows) check(n, values.get(feedId(n)));
  }

  #take(count: number): number[] {
    const first = this.#next;
    this.#next += count;
    // To begin again would measure hits.
    if (this.#next > this.#end) throw new Error(`the ${this.#end} rows of the contest are used up`);
    return Array.from({ length: count }, (_, at) => first + at);
  }
}

function check(n: number, value: Value): void {
  const content = typeof value === 'string' ? value : value && Buffer.from(value).toString();
  if (content !== feedContent(n)) throw new Error(`${JSON.stringify(content)} was read as ${feedId(n)}`);
}
