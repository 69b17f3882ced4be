import { formatCount, formatSeconds, formatShare } from './figures.js';
import type { Paint } from './paint.js';
import type { Snapshot } from './snapshot.js';

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

/** How the run is doing, while it runs. */
export interface Progress {
  /** How often to call `show`, milliseconds. */
  readonly intervalMs: number;
  /** Something before or after the load that takes a while; replaces the one before. */
  phase(text: string): void;
  show(snapshot: Snapshot): void;
  /** Takes away what is not to stay. */
  end(): void;
}

export function progressOn(output: Output, paint: Paint): Progress {
  return output.isTTY === true ? new LiveTable(output, paint) : new PlainLines(output);
}

/** A line per second: for files, pipes and CI. */
class PlainLines implements Progress {
  readonly intervalMs = 1_000;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  phase(text: string): void {
    this.#output.write(`${text}\n`);
  }

  show(s: Snapshot): void {
    const of = s.totalMs === undefined ? '' : ` of ${formatSeconds(s.totalMs)}`;
    const parts = [
      `${formatSeconds(s.elapsedMs)}${of}`,
      `${formatCount(s.operationsPerSecond)} ops/s`,
      `L1 ${formatShare(s.l1HitRate, 1)}`,
      `pending ${formatCount(s.pendingOperations)}`,
      `flushes ${formatCount(s.flushes)}`,
      `statements ${formatCount(s.statements)}`,
    ];
    if (s.failures > 0) parts.push(`failed ${formatCount(s.failures)}`);
    this.#output.write(`${parts.join('  ')}\n`);
  }

  end(): void {
    this.#output.write('\n');
  }
}

const BAR_WIDTH = 30;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const ERASE_BELOW = '\x1b[J';
/** Without line wrap a resized terminal does not tear the table. */
const WRAP_OFF = '\x1b[?7l';
const WRAP_ON = '\x1b[?7h';

/** A few lines that are written over in place: for terminals. */
class LiveTable implements Progress {
  readonly intervalMs = 200;
  readonly #output: Output;
  readonly #paint: Paint;
  #lines = 0;
  readonly #restore = (): void => this.end();

  constructor(output: Output, paint: Paint) {
    this.#output = output;
    this.#paint = paint;
    // A cursor that stays hidden outlives the process.
    process.once('exit', this.#restore);
  }

  phase(text: string): void {
    this.#draw([this.#paint('dim', text)]);
  }

  show(s: Snapshot): void {
    const label = (text: string) => this.#paint('dim', text.padEnd(14));
    const failed = s.failures > 0 ? this.#paint('red', `   ${formatCount(s.failures)} failed`) : '';
    this.#draw([
      `${label('run')}${this.#bar(s)}`,
      `${label('operations')}${this.#paint('bold', `${formatCount(s.operationsPerSecond)}/s`)}   ${formatCount(s.operations)} in all, ${formatCount(s.inFlight)} in flight${failed}`,
      `${label('reads')}${formatCount(s.readsPerSecond)}/s   L1 hits ${formatShare(s.l1HitRate, 1)}`,
      `${label('writes')}${formatCount(s.writesPerSecond)}/s   pending ${formatCount(s.pendingOperations)} on ${formatCount(s.pendingGroups)} rows`,
      `${label('PostgreSQL')}${formatCount(s.flushes)} flushes, ${formatCount(s.statements)} statements for ${formatCount(s.shardOperations - s.pendingOperations)} writes`,
    ]);
  }

  end(): void {
    process.off('exit', this.#restore);
    if (this.#lines === 0) return;
    this.#output.write(`\x1b[${this.#lines}A\r${ERASE_BELOW}${WRAP_ON}${SHOW_CURSOR}`);
    this.#lines = 0;
  }

  #bar(s: Snapshot): string {
    if (s.totalMs === undefined) return formatSeconds(s.elapsedMs);
    const filled = Math.round(Math.min(1, s.elapsedMs / s.totalMs) * BAR_WIDTH);
    const bar = `${this.#paint('cyan', '━'.repeat(filled))}${this.#paint('dim', '─'.repeat(BAR_WIDTH - filled))}`;
    return `${bar}  ${formatSeconds(s.elapsedMs)} of ${formatSeconds(s.totalMs)}`;
  }

  #draw(lines: readonly string[]): void {
    const up = this.#lines === 0 ? '' : `\x1b[${this.#lines}A`;
    // Before its first line the table leaves the line that the shell wrote.
    const text = lines.map((line) => `  ${line}\x1b[K\n`).join('');
    this.#output.write(`${HIDE_CURSOR}${WRAP_OFF}${up}\r${text}${ERASE_BELOW}`);
    this.#lines = lines.length;
  }
}
