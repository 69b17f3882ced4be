import { isSentinelAddress, parseSentinelAddress } from './sentinel-address.js';
import type { Reader } from './setting.js';

/** `postgres://` or `postgresql://`; a Unix socket as `postgresql:///db?host=/run/postgresql`. */
export function postgresDsn(): Reader<string> {
  return {
    allowed:
      'a URL such as postgresql://user:password@host:5432/database, with special characters of the user and the password percent-encoded',
    fromText: (text) => text,
    read: (value) => {
      if (typeof value !== 'string' || /[\s\p{Cc}]/u.test(value)) return undefined;
      const url = parseUrl(value);
      if (url === undefined || !['postgres:', 'postgresql:'].includes(url.protocol)) return undefined;
      if (url.hostname === '' && !url.searchParams.get('host')?.startsWith('/')) return undefined;
      return url.hash === '' && isDecodable(url.username, url.password, url.pathname) ? value : undefined;
    },
  };
}

export interface RedisAddress {
  /** As given: `host:port`, `redis://…`, `rediss://…`, or one `redis+sentinel://…`. */
  readonly addresses: readonly string[];
  /** Given as a list. */
  readonly cluster: boolean;
}

const MAX_ADDRESSES = 100;

/** One address, or a list (in text: separated by commas), which means a cluster; Sentinels are one address. */
export function redisAddress(): Reader<RedisAddress> {
  return {
    allowed:
      'host:port, a redis:// or rediss:// URL, a list of them for a cluster (in text: separated by commas), or redis+sentinel://host:port,host:port/master for Sentinels',
    fromText: (text) => text,
    read: (value) => {
      if (typeof value === 'string' && isSentinelAddress(value)) {
        return parseSentinelAddress(value) && { addresses: [value], cluster: false };
      }
      const cluster = Array.isArray(value) || (typeof value === 'string' && value.includes(','));
      const given: unknown[] = Array.isArray(value)
        ? value
        : typeof value === 'string'
          ? value.split(',').map((each) => each.trim())
          : [undefined];
      if (given.length === 0 || given.length > MAX_ADDRESSES) return undefined;
      const addresses = given.filter((each): each is string => typeof each === 'string' && isRedis(each));
      return addresses.length === given.length ? { addresses, cluster } : undefined;
    },
  };
}

/** Passwords inside of URLs, decoded. */
export function passwordsIn(urls: readonly string[]): string[] {
  return urls.flatMap((text) => {
    if (isSentinelAddress(text)) return parseSentinelAddress(text)?.password ?? [];
    const url = text.includes('://') ? parseUrl(text) : undefined;
    const inQuery = url?.searchParams.get('password') ?? '';
    return [url === undefined ? '' : decodeURIComponent(url.password), inQuery].filter((each) => each !== '');
  });
}

/** The database number in the path of a Redis URL; undefined when it names none. */
export function redisDbIn(address: string): number | undefined {
  if (isSentinelAddress(address)) return parseSentinelAddress(address)?.db;
  if (!address.includes('://')) return undefined;
  const number = parseUrl(address)?.pathname.replace(/^\//, '') ?? '';
  return number === '' ? undefined : Number(number);
}

function isRedis(address: string): boolean {
  if (/[\s\p{Cc}]/u.test(address)) return false;
  if (!address.includes('://')) {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(address);
    const port = Number(match?.[3]);
    return port >= 1 && port <= 65_535;
  }
  const url = parseUrl(address);
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') return false;
  return url.hash === '' && /^\/?\d{0,5}$/.test(url.pathname) && isDecodable(url.username, url.password);
}

function parseUrl(text: string): URL | undefined {
  // Not the exception of `new URL`: its `input` property holds the whole text, password included.
  return URL.canParse(text) ? new URL(text) : undefined;
}

function isDecodable(...parts: string[]): boolean {
  return parts.every((part) => !/%(?![0-9a-fA-F]{2})/.test(part) && decodes(part));
}

function decodes(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    // Percent-encoded bytes that are not UTF-8.
    return false;
  }
}
