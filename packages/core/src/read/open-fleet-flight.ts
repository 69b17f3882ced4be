import type { L2 } from '../l2/l2.js';
import type { Opening } from '../opening.js';
import { FleetFlight } from './fleet-flight.js';
import { FlightLeases } from './flight-leases.js';

/** Of `load_wait`: when a node that loads has died, one of those that wait takes its place before all give up. */
const FLIGHT_LEASE_SHARE = 0.6;

/** Undefined without Redis, or where nobody waits for another node's load. */
export function openFleetFlight({ options, logger, opened }: Opening, l2: L2): FleetFlight | undefined {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix, loadWaitMs } = options;
  if (redisAddr === undefined || loadWaitMs === 0) return undefined;
  const leases = new FlightLeases({
    redisAddr,
    redisCluster,
    redisPassword,
    redisDb,
    cachePrefix,
    leaseMs: Math.ceil(loadWaitMs * FLIGHT_LEASE_SHARE),
    onConnectionError: (error) => logger.warn({ err: error }, 'Redis (single flight) cannot be reached'),
  });
  const fleet = new FleetFlight({ leases, l2, waitMs: loadWaitMs });
  opened.onClose('fleet', () => fleet.close());
  return fleet;
}
