/** A master that Sentinels know by name: `redis+sentinel://user:password@host:26379,host:26380/mymaster/0`. */
export interface SentinelAddress {
  /** Of the Sentinels, as given; they need no credentials. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  readonly master: string;
  /** `rediss+sentinel://`: TLS to the master and to the Sentinels. */
  readonly tls: boolean;
  /** Of the master and its replicas. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number | undefined;
}

const SCHEME = /^rediss?\+sentinel:\/\//i;
const ADDRESS = /^(rediss?)\+sentinel:\/\/(?:([^@/\s]*)@)?([^@/\s]+)\/([A-Za-z0-9._-]+)(?:\/(\d{1,5}))?$/i;
const HOST = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 26_379;
const MAX_SENTINELS = 100;

/** The commas in it are no list of addresses. */
export function isSentinelAddress(text: string): boolean {
  return SCHEME.test(text);
}

/** Undefined: not one that can be read. */
export function parseSentinelAddress(text: string): SentinelAddress | undefined {
  const match = ADDRESS.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', credentials, hosts = '', master = '', db] = match;
  const sentinels = hosts.split(',').map((each) => {
    const host = HOST.exec(each);
    return { host: host?.[1] ?? host?.[2] ?? '', port: Number(host?.[3] ?? DEFAULT_PORT) };
  });
  if (sentinels.length > MAX_SENTINELS) return undefined;
  if (sentinels.some(({ host, port }) => host === '' || port < 1 || port > 65_535)) return undefined;
  const colon = credentials?.indexOf(':') ?? -1;
  try {
    // `:password@` has no user; `user@` no password.
    const user = decodeURIComponent(colon < 0 ? (credentials ?? '') : (credentials ?? '').slice(0, colon));
    const password = colon < 0 ? '' : decodeURIComponent((credentials ?? '').slice(colon + 1));
    return {
      sentinels,
      master,
      tls: scheme.toLowerCase() === 'rediss',
      username: user === '' ? undefined : user,
      password: password === '' ? undefined : password,
      db: db === undefined ? undefined : Number(db),
    };
  } catch {
    return undefined; // percent-encoded bytes that are not UTF-8
  }
}
