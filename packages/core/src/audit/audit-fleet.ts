import { fleetChannel } from '../coherence/coherence.js';
import { ConfigError } from '../error.js';
import { resolveOptions } from '../options/resolve.js';
import type { ResolvedOptions } from '../options/resolved.js';
import { withStandaloneStore } from '../store/standalone-store.js';
import type { Store } from '../store/store.js';
import { AuditLink } from './audit-link.js';
import { type AuditOptions, type ResolvedAuditOptions, resolveAuditOptions } from './audit-options.js';
import type { AuditReport } from './audit-report.js';
import { Auditor } from './auditor.js';
import { FleetView } from './fleet-view.js';
import { Roster } from './roster.js';
import { SharedCopies } from './shared-copies.js';

/** Longest wait for Redis at the start, milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Draws keys from the caches of all running nodes, and holds what each node's L1 and L2 have of them against
 * PostgreSQL. Needs no data directory, takes no lock or node id and writes nothing. The nodes do not wait
 * for it: it may be ended at any moment.
 *
 * @throws InvalidKeyError and InvalidValueError for options; ConfigError when there is no `redis_addr` or
 * `postgres_dsn`, Redis cannot be reached, or no node is there; StoreError; Error when Redis goes away
 */
export async function auditFleet(options: AuditOptions = {}): Promise<AuditReport> {
  const bounds = resolveAuditOptions(options);
  const resolved = resolveOptions(options.config, options.env);
  if (resolved.redisAddr === undefined) {
    throw new ConfigError('there is no redis_addr: without Redis there is one node, and nothing to compare', {
      key: 'redis_addr',
    });
  }
  if (resolved.postgresDsn === undefined) {
    throw new ConfigError('there is no postgres_dsn: the embedded PostgreSQL belongs to its node', {
      key: 'postgres_dsn',
    });
  }
  const { redisAddr } = resolved;
  return withStandaloneStore(options, (store) => audit(store, { ...resolved, redisAddr }, bounds));
}

async function audit(
  store: Store,
  resolved: ResolvedOptions & { readonly redisAddr: readonly string[] },
  bounds: ResolvedAuditOptions,
): Promise<AuditReport> {
  const { redisAddr, redisCluster, redisPassword, redisDb, cachePrefix } = resolved;
  const { timeoutMs } = bounds;
  const endpoint = { redisAddr, redisCluster, redisPassword, redisDb };
  const now = () => performance.now();
  const shared = await SharedCopies.open({
    ...endpoint,
    cachePrefix,
    timeoutMs: Math.max(timeoutMs, CONNECT_TIMEOUT_MS),
  });
  const link = new AuditLink({ endpoint, channel: fleetChannel(resolved), store, now });
  try {
    await link.open(CONNECT_TIMEOUT_MS);
    if ((await link.nodes()).size === 0) {
      throw new ConfigError('no node is there: none is entered in the database, and none is heard');
    }
    const roster = new Roster();
    const auditor = new Auditor(bounds, {
      view: new FleetView({ link, shared, roster, timeoutMs, now }),
      roster,
      invalidatedMs: (key) => link.invalidatedMs(key),
      isEvicting: await shared.hasEvicted(),
      now,
    });
    return await auditor.run();
  } finally {
    await Promise.all([link.close(), shared.close()]);
  }
}
