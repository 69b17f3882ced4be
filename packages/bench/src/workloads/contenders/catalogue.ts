import type { Contender, Site } from '../contender.js';

export interface ContenderEntry {
  id: string;
  name: string;
  does: string;
  ours: boolean;
  /** A like that was acknowledged is in every value that is read from then on, whatever happens. @default false */
  isExact?: boolean;
  /** Its libraries are loaded here, in its own process only. */
  make: (site: Site) => Promise<Contender>;
}

const zmsg = async (
  site: Site,
  options: ConstructorParameters<typeof import('./zmsg-feed.js').ZmsgFeed>[1],
) => new (await import('./zmsg-feed.js')).ZmsgFeed(site, options);

const cacheAside = async (
  site: Site,
  options: ConstructorParameters<typeof import('./cache-aside.js').CacheAside>[1],
) => new (await import('./cache-aside.js')).CacheAside(site, options);

/**
 * A like has two prices: until it is safe, and until readers see it. Both are chosen in each way to build the
 * application, so each entry says both, and each of ours has one beside it that promises as much: `always`
 * beside `counts by TTL`, `exact counts` beside those that delete. The first is what all are measured against.
 */
export const CONTENDERS: readonly ContenderEntry[] = [
  {
    id: 'zmsg-always',
    name: 'zmsg, always',
    does: 'likes on disk in the log, counts in values by TTL',
    ours: true,
    make: (site) => zmsg(site, { durability: 'always', counts: 'ttl' }),
  },
  {
    id: 'zmsg-behind',
    name: 'zmsg, always, posts by the shards',
    does: 'likes and posts on disk in the log, counts by TTL',
    ours: true,
    make: (site) => zmsg(site, { durability: 'always', counts: 'ttl', posts: 'periodic' }),
  },
  {
    id: 'zmsg-interval',
    name: 'zmsg, interval',
    does: 'likes in the log, on disk within a second, counts by TTL',
    ours: true,
    make: (site) => zmsg(site, { durability: 'interval', counts: 'ttl' }),
  },
  {
    id: 'zmsg-exact',
    name: 'zmsg, always, exact counts',
    does: 'likes on disk in the log, in values at once',
    ours: true,
    isExact: true,
    make: (site) => zmsg(site, { durability: 'always', counts: 'exact' }),
  },
  {
    id: 'cache-aside',
    name: 'cache-aside (ioredis + pg)',
    does: 'likes on disk in PostgreSQL, in values at once (DEL)',
    ours: false,
    make: (site) => cacheAside(site, { counts: 'delete' }),
  },
  {
    id: 'cache-aside-ttl',
    name: 'cache-aside, counts by TTL',
    does: 'likes on disk in PostgreSQL, counts in values by TTL',
    ours: false,
    make: (site) => cacheAside(site, { counts: 'ttl' }),
  },
  {
    id: 'drizzle',
    name: 'Drizzle + ioredis',
    does: 'likes on disk in PostgreSQL, in values at once (DEL)',
    ours: false,
    make: async (site) => new (await import('./drizzle-feed.js')).DrizzleFeed(site),
  },
  {
    id: 'bentocache',
    name: 'bentocache L1 + L2',
    does: 'likes on disk in PostgreSQL, in values at once (delete)',
    ours: false,
    make: async (site) => new (await import('./bentocache-feed.js')).BentocacheFeed(site),
  },
];

const READERS: readonly string[] = ['zmsg-always', 'cache-aside', 'drizzle', 'bentocache'];
/** Each workload starts a process for each contender, which a quick run has no time for: there, the feed alone has all. */
const QUICK: readonly string[] = ['zmsg-always', 'cache-aside'];

/** Those that differ in what a read does: where nothing is written, the others would be the same again. */
export function readers(quick: boolean): readonly string[] {
  return quick ? QUICK : READERS;
}

/** Of a workload with writes. */
export function writers(quick: boolean): readonly string[] {
  return quick ? QUICK : CONTENDERS.map(({ id }) => id);
}

export function entryOf(id: string): ContenderEntry {
  const entry = CONTENDERS.find((each) => each.id === id);
  if (entry === undefined) throw new Error(`no contender ${id}`);
  return entry;
}
