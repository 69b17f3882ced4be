import type { Scenario } from './scenario.js';
import { connections } from './scenarios/connections.js';
import { failpoints } from './scenarios/failpoints.js';
import { fenced } from './scenarios/fenced.js';
import { fullDisk } from './scenarios/full-disk.js';
import { kill } from './scenarios/kill.js';
import { lease } from './scenarios/lease.js';
import { locks } from './scenarios/locks.js';
import { logDisk } from './scenarios/log-disk.js';
import { missingTable } from './scenarios/missing-table.js';
import { neighbours } from './scenarios/neighbours.js';
import { network } from './scenarios/network.js';
import { orderly } from './scenarios/orderly.js';
import { poison } from './scenarios/poison.js';
import { restart } from './scenarios/restart.js';
import { threads } from './scenarios/threads.js';
import { tornLog } from './scenarios/torn-log.js';

/** In the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  orderly,
  kill,
  failpoints,
  network,
  restart,
  connections,
  locks,
  missingTable,
  poison,
  threads,
  logDisk,
  fullDisk,
  tornLog,
  lease,
  fenced,
  neighbours,
];
