import { Tally } from './tally.js';

/** What one workload process reported: the bench's side of `LedgerWriter`. */
export class Ledger {
  readonly attempted = new Tally();
  readonly acknowledged = new Tally();
  readonly applied = new Tally();
  /** Rejected operations by error code. */
  readonly rejected = new Tally();
  readonly ids: string[] = [];
  /** Events of the engine by type. */
  readonly events = new Tally();
  /** Acknowledged operations. */
  operations = 0;
  /** From the call of `open` to its answer; undefined: it never came. */
  openMs: number | undefined;
  /** Calls that were not settled in time. */
  readonly hung: string[] = [];
  /** `stage code message` of what failed. */
  readonly failures: string[] = [];
  isClosed = false;
  #rest = '';

  /** Takes what came through the pipe, cut anywhere. */
  take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line[0], line.slice(2));
  }

  #line(type: string | undefined, text: string): void {
    switch (type) {
      case 'A':
        this.attempted.addText(text);
        return;
      case 'K':
        this.operations += Number(text.slice(0, text.indexOf(' ')));
        this.acknowledged.addText(text.slice(text.indexOf(' ') + 1));
        return;
      case 'P':
        this.applied.addText(text);
        return;
      case 'R':
        addCount(this.rejected, text);
        return;
      case 'N':
        this.ids.push(...text.split(' '));
        return;
      case 'V':
        addCount(this.events, text);
        return;
      case 'O':
        this.openMs = Number(text);
        return;
      case 'H':
        this.hung.push(text);
        return;
      case 'E':
        this.failures.push(text);
        return;
      case 'C':
        this.isClosed = true;
        return;
      default:
        throw new Error(`the ledger holds a line of an unknown kind: ${type} ${text.slice(0, 80)}`);
    }
  }
}

function addCount(to: Tally, text: string): void {
  const [name = '', count] = text.split(' ');
  to.add(name, Number(count));
}
