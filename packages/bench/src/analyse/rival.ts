/** Whom a reader would compare with: a section of the analysis each. */
export type Camp = 'redis and postgres' | 'orm and redis' | 'libraries' | 'others';

/** By what a contender's name says, whoever runs first; the first that matches. */
const CAMPS: readonly [RegExp, Camp][] = [
  [/\b(drizzle|prisma|typeorm|sequelize|mikro-?orm|objection)\b/i, 'orm and redis'],
  // Of one part of the work, whatever they have beneath.
  [/\b(bentocache|cacheable|keyv|lru-cache|node-cache|cache-manager)\b|^map\b/i, 'libraries'],
  [/\b(kysely|knex|bullmq|pg-boss|graphile-worker|bloom-filters)\b/i, 'libraries'],
  [/snowflake|\b(hyperid|uuid|nanoid|ulid|date\.now)\b/i, 'libraries'],
  [/\b(ioredis|redis|cache-aside|postgres(ql)?|pg|by hand)\b/i, 'redis and postgres'],
  // Commands and statements as one writes them oneself; in capitals, since `set` and `update` may be anything.
  [/\b(GET|SET|DEL|MGET|INCR|UPDATE|INSERT|SELECT|WHERE)\b/, 'redis and postgres'],
];

export function campOf(name: string): Camp {
  return CAMPS.find(([says]) => says.test(name))?.[1] ?? 'others';
}
