import type { LeaseStore } from '../dist/ids/node-lease.js';
import type { StatementOptions } from '../dist/store/store.js';

/** A store whose answers can be lost, and whose statements can come late. */
export class FaultyLeaseStore implements LeaseStore {
  readonly #store: LeaseStore;
  #fault: 'reply' | 'late' | undefined;
  #late: (() => Promise<unknown>)[] = [];

  constructor(store: LeaseStore) {
    this.#store = store;
  }

  /** The next statement is carried out, but nobody hears of it. */
  loseNextReply(): void {
    this.#fault = 'reply';
  }

  /** The next statement fails, and is still carried out: when `arrive` is called. */
  delayNext(): void {
    this.#fault = 'late';
  }

  async arrive(): Promise<void> {
    for (const statement of this.#late.splice(0)) await statement();
  }

  exec: LeaseStore['exec'] = async <Row>(
    text: string,
    values?: readonly unknown[],
    options?: StatementOptions,
  ) => {
    const fault = this.#fault;
    this.#fault = undefined;
    // What is on its way already arrives, however long ago its caller has given up.
    if (fault === 'late') this.#late.push(() => this.#store.exec(text, values));
    else {
      const answer = await this.#store.exec<Row>(text, values, options);
      if (fault === undefined) return answer;
    }
    throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'STORE' });
  };
}
