import { randomInt, randomUUID } from 'node:crypto';
import { ClockError, LeaseLostError } from '../error.js';
import type { Store } from '../store/store.js';
import { MAX_WAIT_MS, NODES } from './id-layout.js';

export interface LeaseRequest {
  readonly ttlMs: number;
  /** The holder's wall clock. */
  readonly nowMs: number;
  /** Last millisecond that the holder may use before its next renewal. */
  readonly reserveMs: number;
}

/** What a lease needs of `Store`; the signal bounds the wait for a database or a connection that hangs. */
export type LeaseStore = Pick<Store, 'exec'>;

const SEED = `
  INSERT INTO zmsg_nodes (node_id, owner, epoch, expires_at, high_water_ms)
  SELECT id, NULL, 0, '-infinity', 0 FROM generate_series(0, ${NODES - 1}) AS id
  ON CONFLICT (node_id) DO NOTHING`;

// Expiry is the database's clock alone. SKIP LOCKED: of engines that start at once each passes over
// the rows that others are taking; the random start keeps them from queueing up in the first place.
// Ids whose previous holder was ahead of our clock come last, and only if that can be waited out.
const TAKE = `
  WITH free AS (
    SELECT node_id, high_water_ms FROM zmsg_nodes
    WHERE (owner IS NULL OR expires_at <= now()) AND high_water_ms <= $1::bigint + ${MAX_WAIT_MS}
    ORDER BY high_water_ms >= $1::bigint, (node_id + ${NODES} - $2::int) % ${NODES}
    LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  UPDATE zmsg_nodes AS node
  SET owner = $3::uuid, epoch = node.epoch + 1,
      expires_at = now() + $4::double precision * interval '1 millisecond',
      high_water_ms = greatest(node.high_water_ms, $5::bigint)
  FROM free WHERE node.node_id = free.node_id
  RETURNING node.node_id, node.epoch, free.high_water_ms`;

const COUNT = `
  SELECT count(*)::int AS known, (count(*) FILTER (WHERE is_free))::int AS free,
         (count(*) FILTER (WHERE is_free AND high_water_ms <= $1::bigint + ${MAX_WAIT_MS}))::int AS usable
  FROM zmsg_nodes, LATERAL (SELECT owner IS NULL OR expires_at <= now() AS is_free) AS at`;

const RENEW = `
  UPDATE zmsg_nodes
  SET expires_at = now() + $4::double precision * interval '1 millisecond',
      high_water_ms = greatest(high_water_ms, $5::bigint)
  WHERE node_id = $1 AND owner = $2::uuid AND epoch = $3::bigint`;

const RELEASE = `
  UPDATE zmsg_nodes SET owner = NULL, expires_at = now(), high_water_ms = $4::bigint
  WHERE node_id = $1 AND owner = $2::uuid AND epoch = $3::bigint`;

/**
 * The right to one of the 1,024 node ids: a row of `zmsg_nodes`, held by a random owner under an
 * epoch that every new holder raises.
 *
 * Two fences stand between holders. In time: a row is free only when the database's clock has passed
 * its expiry. In the ids themselves: `high_water_ms` is written before any millisecond up to it is
 * used, and a new holder starts strictly above it, so nothing repeats even if every clock is wrong.
 */
export class NodeLease {
  readonly nodeId: number;
  readonly owner: string;
  readonly epoch: bigint;
  /** Milliseconds since 1970: earlier holders may have used everything up to here. */
  readonly usedMs: number;
  readonly #store: LeaseStore;

  private constructor(store: LeaseStore, row: LeaseRow, owner: string) {
    this.#store = store;
    this.owner = owner;
    this.nodeId = row.node_id;
    this.epoch = BigInt(row.epoch);
    this.usedMs = Number(row.high_water_ms);
  }

  /**
   * Takes any free node id.
   *
   * @throws LeaseLostError when all 1,024 are taken; ClockError when there are free ones, but all of
   * them were used by clocks more than 10 ms ahead of ours; StoreError.
   */
  static async acquire(store: LeaseStore, request: LeaseRequest, signal: AbortSignal): Promise<NodeLease> {
    const owner = randomUUID();
    const values = [request.nowMs, randomInt(NODES), owner, request.ttlMs, request.reserveMs];
    const options = { signal, cut: true };
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const taken = await store.exec<LeaseRow>(TAKE, values, options);
      const row = taken.rows[0];
      if (row !== undefined) return new NodeLease(store, row, owner);
      const counted = await store.exec<NodeCount>(COUNT, [request.nowMs], options);
      const { known, free, usable } = counted.rows[0] ?? NO_NODES;
      if (known < NODES) await store.exec(SEED, [], options);
      else if (free === 0) break;
      else if (usable === 0)
        throw new ClockError('every free node id was used by a clock that is ahead of this one');
      // Else others are taking those that are left, at this moment.
    }
    throw new LeaseLostError(`all ${NODES} node ids are leased by running engines`);
  }

  /** False: another holder has the row, and this lease is over. */
  async renew(request: Omit<LeaseRequest, 'nowMs'>, signal: AbortSignal): Promise<boolean> {
    const values = [this.nodeId, this.owner, this.epoch, request.ttlMs, request.reserveMs];
    return (await this.#store.exec(RENEW, values, { signal, cut: true })).rowCount === 1;
  }

  /**
   * Gives the node id back; `lastUsedMs` is exact, so the next holder need not wait for what was
   * reserved and not used.
   */
  async release(lastUsedMs: number, signal: AbortSignal): Promise<void> {
    const values = [this.nodeId, this.owner, this.epoch, Math.max(lastUsedMs, this.usedMs)];
    await this.#store.exec(RELEASE, values, { signal, cut: true });
  }
}

/** One to find the table empty, the others to lose races for rows that others take at this moment. */
const MAX_ATTEMPTS = 20;

interface LeaseRow {
  node_id: number;
  epoch: string;
  high_water_ms: string;
}

interface NodeCount {
  known: number;
  free: number;
  usable: number;
}

const NO_NODES: NodeCount = { known: 0, free: 0, usable: 0 };
