import type { Scenario } from './scenario.js';
import { connections } from './scenarios/connections.js';
import { kill } from './scenarios/kill.js';
import { lease } from './scenarios/lease.js';
import { locks } from './scenarios/locks.js';
import { missingTable } from './scenarios/missing-table.js';
import { neighbours } from './scenarios/neighbours.js';
import { network } from './scenarios/network.js';
import { orderly } from './scenarios/orderly.js';
import { restart } from './scenarios/restart.js';

/** In the order in which they run. */
export const SCENARIOS: readonly Scenario[] = [
  orderly,
  kill,
  network,
  restart,
  connections,
  locks,
  missingTable,
  lease,
  neighbours,
];
