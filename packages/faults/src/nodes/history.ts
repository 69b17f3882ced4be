import { RECORD_BYTES, RECORD_DOUBLES, unpackKind } from './audit-record.js';

export interface AuditedWrite {
  readonly key: number;
  readonly begunMs: number;
  readonly isDeletion: boolean;
  doneMs: number | undefined;
  failedMs: number | undefined;
}

/** A fault and its time; what it broke may take a while longer. */
export interface FaultWindow {
  readonly fault: string;
  readonly fromMs: number;
  /** Infinity: it goes on. */
  toMs: number;
}

export interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A node hears all others from then on, or may not. */
export interface Turn {
  readonly isTrusted: boolean;
  readonly atMs: number;
}

/** What a process told of. */
export class ProcessHistory {
  readonly slot: number;
  readonly stalls: Stall[] = [];
  /** The first of them: it has begun to read. */
  readonly turns: Turn[] = [];
  /** When it noticed that it had missed messages; those that were not judged yet. */
  missedMs: number[] = [];
  /** Records of reads that were not judged yet. */
  reads: Float64Array[] = [];
  diedMs: number | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Bytes of its pipe. A record that was cut off by its death says nothing. */
  take(chunk: Buffer, writes: Map<number, AuditedWrite>): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const whole = bytes.length - (bytes.length % RECORD_BYTES);
    this.#rest = Buffer.from(bytes.subarray(whole));
    const records = new Float64Array(new Uint8Array(bytes.subarray(0, whole)).buffer);
    const reads = new Float64Array(records.length);
    let length = 0;
    for (let at = 0; at < records.length; at += RECORD_DOUBLES) {
      const write = records[at + 1] as number;
      const first = records[at + 2] as number;
      const second = records[at + 3] as number;
      const { kind, key } = unpackKind(records[at] as number);
      if (kind === 'stall') this.stalls.push({ fromMs: first, toMs: second });
      else if (kind === 'missed') this.missedMs.push(first);
      else if (kind === 'trusted' || kind === 'doubt') {
        this.turns.push({ isTrusted: kind === 'trusted', atMs: first });
      } else if (kind === 'begin') {
        const isDeletion = second === 1;
        writes.set(write, { key, begunMs: first, isDeletion, doneMs: undefined, failedMs: undefined });
      } else if (kind === 'done' || kind === 'failed') {
        const begun = writes.get(write) as AuditedWrite;
        if (kind === 'done') begun.doneMs = first;
        else begun.failedMs = first;
      } else {
        reads.set([records[at] as number, write, first, second], length);
        length += RECORD_DOUBLES;
      }
    }
    if (length > 0) this.reads.push(reads.subarray(0, length));
  }

  /** As long as it was there in that time, it heard all others. */
  isTrusted(fromMs: number, toMs: number): boolean {
    if (this.diedMs !== undefined && this.diedMs < fromMs) return true;
    return this.turns.every(({ isTrusted, atMs }, at) => {
      const untilMs = this.turns[at + 1]?.atMs ?? Number.POSITIVE_INFINITY;
      return isTrusted || atMs > toMs || untilMs < fromMs;
    });
  }
}

/** What all processes told of, on one clock. */
export class History {
  readonly writes = new Map<number, AuditedWrite>();
  readonly processes = new Map<number, ProcessHistory>();
  readonly faults: FaultWindow[] = [];

  /** Faults that may explain what was read at `atMs`, in words. */
  faultsAround(fromMs: number, atMs: number): string[] {
    return this.faults
      .filter((each) => each.fromMs <= atMs && each.toMs >= fromMs)
      .map(({ fault, fromMs: from, toMs }) => {
        const until = toMs === Number.POSITIVE_INFINITY ? 'on' : `${Math.round(toMs - atMs)} ms`;
        return `${fault} (from ${Math.round(from - atMs)} ms to ${until})`;
      });
  }

  /** No fault was being injected. What one has broken may take longer: see `isTrusted`. */
  isQuiet(fromMs: number, toMs: number): boolean {
    return !this.faults.some((each) => each.fromMs <= toMs && each.toMs >= fromMs);
  }

  /** Every node heard all others. */
  isTrusted(fromMs: number, toMs: number): boolean {
    return [...this.processes.values()].every((each) => each.isTrusted(fromMs, toMs));
  }
}
