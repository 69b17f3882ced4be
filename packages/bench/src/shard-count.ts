/** Sixteen threads, the default, take seconds to start: a quick run has fewer. */
const QUICK_SHARDS = 2;

/** For `batchShards` of an engine; undefined: the default. */
export function shardCount(quick: boolean): number | undefined {
  return quick ? QUICK_SHARDS : undefined;
}
