import type { ZMsg } from '@zmsg/core';
import type { LedgerWriter } from './ledger-writer.js';
import type { Mix, Operation } from './mix.js';
import { Tally } from './tally.js';
import type { Watchdog } from './watchdog.js';
import type { WorkloadSpec } from './workload-spec.js';

const TICK_MS = 5;
/** An id for so many operations. */
const OPERATIONS_PER_ID = 10;
/** The receipts of one in so many operations are watched. */
const OPERATIONS_PER_RECEIPT = 4;

/** Calls of the engine under way, each in the ledger before it is made and after it is answered. */
export class Load {
  readonly #zm: ZMsg;
  readonly #mix: Mix;
  readonly #ledger: LedgerWriter;
  readonly #watchdog: Watchdog;
  readonly #spec: WorkloadSpec;
  readonly #active = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #lastTick = performance.now();
  #made = 0;
  #credit = 0;

  constructor(zm: ZMsg, mix: Mix, ledger: LedgerWriter, watchdog: Watchdog, spec: WorkloadSpec) {
    this.#zm = zm;
    this.#mix = mix;
    this.#ledger = ledger;
    this.#watchdog = watchdog;
    this.#spec = spec;
  }

  start(): void {
    if (this.#spec.rate > 0) this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Makes no more calls; resolves when all are settled. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#active.size > 0) await Promise.all(this.#active);
    this.#ledger.flush();
  }

  #tick(): void {
    const now = performance.now();
    const { rate, inFlight } = this.#spec;
    const room = Math.max(0, inFlight - this.#active.size);
    this.#credit = Math.min(this.#credit + ((now - this.#lastTick) * rate) / 1000, room);
    this.#lastTick = now;
    const count = Math.floor(this.#credit);
    this.#credit -= count;
    const operations = Array.from({ length: count }, () => this.#mix.next());
    const attempts = new Tally();
    for (const { item, amount } of operations) attempts.add(item, amount);
    this.#ledger.attempts(attempts);
    for (const operation of operations) this.#make(operation);
    this.#takeIds(
      Math.floor(this.#made / OPERATIONS_PER_ID) - Math.floor((this.#made - count) / OPERATIONS_PER_ID),
    );
  }

  #make(operation: Operation): void {
    this.#made += 1;
    const watched = this.#made % OPERATIONS_PER_RECEIPT === 0;
    const call = this.#run(operation, watched).finally(() => this.#active.delete(call));
    this.#active.add(call);
  }

  async #run({ item, amount, submit }: Operation, watched: boolean): Promise<void> {
    const settled = this.#watchdog.watch(item);
    try {
      const receipt = await submit(this.#zm);
      this.#ledger.acknowledged(item, amount);
      if (watched && receipt !== undefined) this.#follow(receipt.applied, item, amount);
    } catch (error) {
      this.#ledger.rejected(error);
    } finally {
      settled();
    }
  }

  /** A receipt outlives its call: it is not waited for, and must be settled all the same. */
  #follow(applied: Promise<void>, item: string, amount: number): void {
    const settled = this.#watchdog.watch(`${item} (applied)`);
    applied
      .then(
        () => this.#ledger.applied(item, amount),
        () => {}, // what became of it is for the oracle to see
      )
      .finally(settled);
  }

  #takeIds(count: number): void {
    const ids: string[] = [];
    try {
      for (let n = 0; n < count; n += 1) ids.push(this.#zm.nextId());
    } catch (error) {
      this.#ledger.rejected(error);
    }
    this.#ledger.ids(ids);
  }
}
