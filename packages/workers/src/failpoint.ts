/** Places at which a test may end the process or make a call fail. Names are `area:thing:moment`. */
export type Failpoint =
  | 'log:append:before'
  | 'log:append:after'
  | 'log:sync:before'
  | 'log:sync:after'
  | 'log:segment:create'
  | 'log:segment:rotated'
  | 'log:segment:delete'
  | 'log:segment:deleted'
  | 'flush:begin:before'
  | 'flush:statement:before'
  | 'flush:mark:before'
  | 'flush:commit:before'
  | 'flush:commit:sent'
  | 'flush:commit:answered'
  | 'recovery:mark:taken'
  | 'recovery:frame:replayed'
  | 'recovery:done'
  | 'shard:operation:decoded'
  | 'shard:batch:acknowledged';

/**
 * `kill`: SIGKILL of the whole process. `EIO`, `ENOSPC`: the call at this place fails. `throw`, `exit`, `oom`:
 * the thread fails, ends, runs out of memory.
 */
type Action = 'kill' | 'throw' | 'exit' | 'oom' | 'EIO' | 'ENOSPC';

interface Armed {
  readonly action: Action;
  /** Passes before it acts. */
  skip: number;
  /** How often it acts. */
  times: number;
}

let armed: Map<string, Armed> | undefined;

/**
 * Arms failpoints of this thread: `name=action[:skip[:times]]`, separated by commas; `times` is 1 unless
 * given. For tests only. Each thread reads `ZMSG_FAILPOINTS` when it starts.
 */
export function armFailpoints(text: string | undefined): void {
  if (text === undefined || text === '') {
    armed = undefined;
    return;
  }
  armed = new Map();
  for (const part of text.split(',')) {
    const [name, spec] = part.split('=') as [string, string];
    const [action, skip, times] = spec.split(':');
    armed.set(name, { action: action as Action, skip: Number(skip ?? 0), times: Number(times ?? 1) });
  }
}

/** @throws what the armed action says; nothing is armed outside of tests. */
export function failpoint(name: Failpoint): void {
  if (armed !== undefined) reach(name);
}

function reach(name: Failpoint): void {
  const point = armed?.get(name);
  if (point === undefined || point.times === 0) return;
  if (point.skip > 0) {
    point.skip -= 1;
    return;
  }
  point.times -= 1;
  switch (point.action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      // The signal may take a moment; nothing of this thread must go on.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      return;
    case 'exit':
      process.exit(1);
      return;
    case 'oom':
      for (const hoard: number[][] = []; ; ) hoard.push(new Array<number>(1 << 20).fill(0.5));
    case 'throw':
      throw new Error(`failpoint ${name}`);
    default:
      throw Object.assign(new Error(`${point.action}: failpoint ${name}`), { code: point.action });
  }
}

armFailpoints(process.env.ZMSG_FAILPOINTS);
