import type { PGlite } from '@electric-sql/pglite';

const SYNC = 0x53; // 'S'
const EXTENDED = new Set([...'PBDECHF'].map((letter) => letter.charCodeAt(0)));

/**
 * The same PGlite, for a pglite-socket server with several connections.
 *
 * All connections share one session, and pglite-socket (0.2) keeps them apart only inside of
 * transactions: one connection's messages may fall between the Parse and the Bind of another's, which
 * then runs the wrong statement or gets the wrong answer. While a connection is between the first
 * message of an extended query and its Sync, this says `isInTransaction`, so that the server serves no
 * other connection.
 */
export function exclusivePglite(db: PGlite): PGlite {
  let withinQuery = false;
  const execProtocolRawStream: PGlite['execProtocolRawStream'] = (message, options) => {
    const type = message[0] ?? 0;
    if (EXTENDED.has(type)) withinQuery = true;
    return db.execProtocolRawStream(message, options).finally(() => {
      if (type === SYNC || !EXTENDED.has(type)) withinQuery = false;
    });
  };
  const overrides: Partial<PGlite> = {
    execProtocolRawStream,
    isInTransaction: () => withinQuery || db.isInTransaction(),
    // What the server sends when a connection ends in the middle: its query is over too.
    exec: (query, options) => {
      withinQuery = false;
      return db.exec(query, options);
    },
  };
  return new Proxy(db, {
    get(target, name) {
      const value: unknown =
        name in overrides ? Reflect.get(overrides, name) : Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
