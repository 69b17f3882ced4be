/**
 * When a periodic write is acknowledged, and what it then survives.
 *
 * | level      | acknowledged when                              | survives                        |
 * | ---------- | ---------------------------------------------- | ------------------------------- |
 * | `always`   | the log is on disk (fdatasync, many at a time) | kill -9, power loss             |
 * | `interval` | the log is with the operating system           | kill -9                         |
 * | `off`      | its shard took it                              | an orderly `close()`            |
 */
export type Durability = 'always' | 'interval' | 'off';

/** As records carry it. The order is that of strength. */
export const DurabilityLevel = { off: 0, interval: 1, always: 2 } as const satisfies Record<
  Durability,
  number
>;

export type DurabilityLevel = (typeof DurabilityLevel)[Durability];

/** Comparisons, not a look-up by name: it is asked at every operation. Undefined for anything else. */
export function levelOf(durability: Durability): DurabilityLevel | undefined {
  if (durability === 'always') return DurabilityLevel.always;
  if (durability === 'interval') return DurabilityLevel.interval;
  return durability === 'off' ? DurabilityLevel.off : undefined;
}
