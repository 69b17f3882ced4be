import { ConfigError } from '../error.js';
import type { LeaseStore } from './node-lease.js';

const RECORDED = 'SELECT epoch_ms FROM zmsg_id_epoch';
const RECORD = 'INSERT INTO zmsg_id_epoch (epoch_ms) VALUES ($1::bigint) ON CONFLICT DO NOTHING';

/**
 * Makes sure that every engine of a database counts the milliseconds in its ids from the same moment.
 * The high-water marks of the node ids are times of day: with a later epoch, times that lie above all
 * of them would be ids of long ago.
 *
 * @throws ConfigError when the database's ids were made with another epoch, StoreError.
 */
export async function claimIdEpoch(store: LeaseStore, epochMs: number): Promise<void> {
  let recorded = (await store.exec<EpochRow>(RECORDED, [])).rows[0];
  if (recorded === undefined) {
    await store.exec(RECORD, [epochMs]);
    // Another engine may have been faster.
    recorded = (await store.exec<EpochRow>(RECORDED, [])).rows[0];
  }
  const recordedMs = Number(recorded?.epoch_ms);
  if (recordedMs !== epochMs) {
    const message = `id_epoch is ${iso(epochMs)}, but the ids of this database count from ${iso(recordedMs)}: with another epoch they could come again`;
    throw new ConfigError(message, { key: 'id_epoch' });
  }
}

interface EpochRow {
  epoch_ms: string;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
