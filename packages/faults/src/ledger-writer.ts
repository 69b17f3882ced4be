import { writeSync } from 'node:fs';
import { Tally } from './tally.js';

/** The descriptor of the pipe that the bench gave to this process. */
const LEDGER_FD = 3;

/**
 * The workload's side of the ledger: lines through a pipe, written synchronously, so that what was
 * written is with the bench whatever happens to this process next. A line that was cut off says
 * nothing: attempts come before the calls that they announce.
 *
 * | line | meaning |
 * | --- | --- |
 * | `A items` | about to be attempted |
 * | `K n items` | n operations acknowledged |
 * | `P items` | applied: the receipt says that it is committed |
 * | `R code n` | n operations rejected |
 * | `N ids` | ids handed out |
 * | `V event n` | an event of the engine came n times |
 * | `O ms` | the engine is open |
 * | `H item` | a call that was not settled in time |
 * | `E stage code message` | open, flush or close failed |
 * | `C` | closed in an orderly way |
 */
export class LedgerWriter {
  #acknowledged = new Tally();
  #acknowledgements = 0;
  #applied = new Tally();
  readonly #rejected = new Tally();
  readonly #events = new Tally();
  #scheduled = false;

  /** Returns when the line is in the pipe. */
  attempts(items: Tally): void {
    if (items.size > 0) this.#write(`A ${items.format()}`);
  }

  ids(ids: readonly string[]): void {
    if (ids.length > 0) this.#write(`N ${ids.join(' ')}`);
  }

  acknowledged(item: string, amount: number): void {
    this.#acknowledged.add(item, amount);
    this.#acknowledgements += 1;
    this.#schedule();
  }

  applied(item: string, amount: number): void {
    this.#applied.add(item, amount);
    this.#schedule();
  }

  rejected(error: unknown): void {
    this.#rejected.add(codeOf(error));
    this.#schedule();
  }

  event(type: string): void {
    this.#events.add(type);
    this.#schedule();
  }

  opened(ms: number): void {
    this.#write(`O ${Math.round(ms)}`);
  }

  hung(item: string): void {
    this.#write(`H ${item}`);
  }

  failed(stage: string, error: unknown): void {
    const message = (error as Error | undefined)?.message ?? String(error);
    this.#write(`E ${stage} ${codeOf(error)} ${message.replaceAll(/\s+/g, ' ')}`);
  }

  closed(): void {
    this.flush();
    this.#write('C');
  }

  /** What a tick's answers came to. */
  flush(): void {
    this.#scheduled = false;
    if (this.#acknowledged.size > 0)
      this.#write(`K ${this.#acknowledgements} ${this.#acknowledged.format()}`);
    if (this.#applied.size > 0) this.#write(`P ${this.#applied.format()}`);
    this.#acknowledged = new Tally();
    this.#acknowledgements = 0;
    this.#applied = new Tally();
    for (const [code, count] of this.#rejected) this.#write(`R ${code} ${count}`);
    this.#rejected.clear();
    for (const [event, count] of this.#events) this.#write(`V ${event} ${count}`);
    this.#events.clear();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  #write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    for (let sent = 0; sent < bytes.byteLength; ) {
      try {
        sent += writeSync(LEDGER_FD, bytes, sent);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue;
        process.exit(1); // the bench is gone
      }
    }
  }
}

function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown').replaceAll(/\s+/g, '_');
}
