import { Fleet, type FleetOptions } from './fleet.js';
import { Judge } from './judge.js';
import { monotonicMs } from './monotonic-clock.js';
import { NODE_FAULTS, type NodeFault } from './node-faults.js';

export interface AuditOptions extends FleetOptions {
  /** Rounds go on until there were so many reads, and so many rounds. */
  readonly reads: number;
  readonly rounds: number;
  /** Of faults, in each round, milliseconds. */
  readonly faultyMs: number;
  /** After them, milliseconds. */
  readonly quietMs: number;
  /** Names. @default all */
  readonly faults?: readonly string[] | undefined;
  /** Of a strong write that was replaced: longest age, milliseconds. */
  readonly boundMs: number;
  readonly onRound?: (round: number, judge: Judge) => void;
}

export interface AuditResult {
  readonly judge: Judge;
  readonly rounds: number;
  readonly acknowledged: number;
  /** Times in milliseconds. */
  readonly faults: ReadonlyMap<string, readonly number[]>;
  readonly totals: ReturnType<Fleet['totals']>;
  /** Processes that ended and should not have. */
  readonly complaints: readonly string[];
  /** Where their output is, if anything was wrong. */
  readonly kept: string | undefined;
}

/** Before the first fault. */
const WARM_UP_MS = 2_000;

/** Runs a fleet under load and faults, and judges every read of it. */
export async function auditFleet(options: AuditOptions): Promise<AuditResult> {
  const fleet = await Fleet.open(options);
  const judge = new Judge(options.boundMs);
  const upcoming = new Map<NodeFault['lane'], NodeFault[]>();
  let rounds = 0;
  let isWrong = true;
  const hasFailed = () => judge.findings.length > 0 || fleet.complaints().length > 0;
  try {
    await fleet.pause(Math.min(options.quietMs, WARM_UP_MS));
    while ((rounds < options.rounds || judge.total < options.reads) && !hasFailed()) {
      const endMs = monotonicMs() + options.faultyMs;
      const lanes = (['servers', 'links', 'nodes'] as const).map((lane) =>
        breakThings(fleet, endMs, () => nextFault(fleet, upcoming, lane, options.faults)),
      );
      // When one of them cannot go on, the others still put right what they broke.
      for (const lane of await Promise.allSettled(lanes)) if (lane.status === 'rejected') throw lane.reason;
      const healedMs = monotonicMs();
      await fleet.pause(options.quietMs);
      // What acknowledges a write may come after what was read a moment later; so judge what is older.
      await fleet.whileResting(async () => judge.judge(fleet.history, await fleet.commits(), healedMs));
      rounds += 1;
      options.onRound?.(rounds, judge);
    }
    await fleet.stop();
    await judge.judge(fleet.history, await fleet.commits(), Number.POSITIVE_INFINITY);
    isWrong = hasFailed();
    const faults = new Map<string, number[]>();
    for (const { fault, fromMs, toMs } of fleet.history.faults) {
      faults.set(fault, [...(faults.get(fault) ?? []), toMs - fromMs]);
    }
    const acknowledged = [...fleet.history.writes.values()].filter(({ doneMs }) => doneMs !== undefined);
    return {
      judge,
      rounds,
      acknowledged: acknowledged.length,
      faults,
      totals: fleet.totals(),
      complaints: fleet.complaints(),
      kept: isWrong ? fleet.dir : undefined,
    };
  } finally {
    await fleet.destroy(isWrong && !options.signal.aborted);
  }
}

async function breakThings(fleet: Fleet, endMs: number, next: () => NodeFault | undefined): Promise<void> {
  for (;;) {
    await fleet.pause(fleet.between(200, 2_500));
    const fault = monotonicMs() < endMs ? next() : undefined;
    if (fault === undefined) return;
    const window = fleet.fault(fault.name);
    try {
      await fault.run(fleet);
    } finally {
      window.toMs = monotonicMs();
    }
  }
}

/** Each of a lane's faults comes once in every so many, in an order of the seed's. */
function nextFault(
  fleet: Fleet,
  upcoming: Map<NodeFault['lane'], NodeFault[]>,
  lane: NodeFault['lane'],
  names: readonly string[] | undefined,
): NodeFault | undefined {
  const left = upcoming.get(lane) ?? [];
  if (left.length === 0) {
    const all = NODE_FAULTS.filter(({ lane: of, name }) => of === lane && names?.includes(name) !== false);
    // Some kinds of Redis have no link that can be broken.
    if (lane === 'links' && fleet.redis.links.length === 0) all.length = 0;
    for (const fault of all) left.splice(fleet.random.below(left.length + 1), 0, fault);
  }
  upcoming.set(lane, left);
  return left.shift();
}
