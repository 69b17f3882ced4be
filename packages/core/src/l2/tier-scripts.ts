import {
  CACHED,
  EXPIRES_AT,
  HEADER_BYTES,
  MARK,
  STORED,
  TOKEN_AT,
  TOKEN_BYTES,
  VALUE,
} from './tier-value.js';

/*
 * What keeps an older value of the database from staying in the shared tier. All of it happens at the
 * key itself, by compare-and-set, so it needs one slot of a cluster and no clock but Redis'.
 *
 * A load takes a *lease* before it asks the database: a record at the absent key. The fill replaces
 * exactly that lease. Whatever a write, a delete, an eviction, the lease's own end or a restart of
 * Redis puts there, or takes away, refuses the fill: it fails closed, where a tombstone that was
 * evicted, or ended before the slowest load, would let the old value in. One round trip more for what
 * goes to the database anyway; none for a hit.
 *
 * A strong write *begins* before its statement and *ends* after the commit. Two writes of one key may
 * commit as A, B and end as B, A, and neither can know: a number taken from Redis before the
 * statement is not the order of the commits, nor is one taken from PostgreSQL after it (both would
 * have to be taken while the row is locked, in the caller's own SQL). So nobody whose write
 * overlapped with another one's sets a value; the last of them to end leaves the key absent, and the
 * next read asks the database. A value that stays was ended by a write that no other write's begin or
 * end fell into: any write that committed later also ends later, and replaces it.
 *
 * While a write is under way the key lives for `MARK_MS` at most and takes no fill: should the
 * writer die after its commit, the old value is gone by then. Longer writes begin again in between.
 *
 *     absent ──lease──▶ LEASE ──fill──▶ VALUE
 *        │                │               │
 *        └────────────────┴────begin──────┼──▶ MARK    (writers 1)     ──end──▶ VALUE, or absent
 *                                         └──▶ VALUE   (writers 1)     ──end──▶ VALUE, or absent
 *     another begin in between: crowd; every end counts down, the last one deletes
 */

/** Longest life of a key that a strong write is under way for, unless the write begins again. */
export const MARK_MS = 10_000;

/** A load that takes longer is not filled into the shared tier. */
export const LEASE_MS = 10_000;

const HEADER = `
local function header(key) return redis.call('GETRANGE', key, 0, ${HEADER_BYTES - 1}) end
local function isMarked(h)
  local record = string.byte(h, 1)
  return #h == ${HEADER_BYTES} and (record == ${VALUE} or record == ${MARK}) and string.byte(h, 3) > 0
end
local function tokenOf(h) return string.sub(h, ${TOKEN_AT + 1}, ${TOKEN_AT + TOKEN_BYTES}) end
local function mark(writers, crowd, token)
  return string.char(${MARK}, 0, writers, crowd) .. token .. string.rep('\\0', 8)
end
`;

/*
 * Of many keys, all are read by one MGET: a call out of Lua takes Redis longer than what it calls (100 keys: 0.78 ms
 * with a GET for each, 0.56 so). What is not a text counts as absent, and is replaced, as any SET does. A key that
 * comes twice is looked at once: of two leases the later one stands, and two loads under one lease are both new
 * enough, so the later value stays.
 */

/** ms, then for each key: lease record → for each key: nil (taken), or what stands in its way. */
export const TAKE_LEASES = `
local found = redis.call('MGET', unpack(KEYS))
for n = 1, #KEYS do
  if not found[n] then redis.call('SET', KEYS[n], ARGV[n + 1], 'PX', ARGV[1]) end
end
return found`;

/**
 * For each key: lease record, value record ('' for none: the load came to nothing), PX ('' for no end) → for each
 * key 1 when its lease stood.
 */
export const END_LEASES = `
local found, ended = redis.call('MGET', unpack(KEYS)), {}
for n = 1, #KEYS do
  local lease, value, px = ARGV[n * 3 - 2], ARGV[n * 3 - 1], ARGV[n * 3]
  ended[n] = found[n] == lease and 1 or 0
  if ended[n] == 1 then
    if value == '' then redis.call('DEL', KEYS[n])
    elseif px == '' then redis.call('SET', KEYS[n], value)
    else redis.call('SET', KEYS[n], value, 'PX', px) end
  end
end
return ended`;

/** token, mark ms, '1': again, since the write takes long. */
export const BEGIN = `${HEADER}
local h, ms, again = header(KEYS[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local record = string.byte(h, 1)
if isMarked(h) then
  if not again then
    redis.call('SETRANGE', KEYS[1], 2, string.char(math.min(string.byte(h, 3) + 1, 255), 1))
  end
  redis.call('PEXPIRE', KEYS[1], ms)
elseif again then
  -- The mark is gone, and what happened meanwhile is not known.
  redis.call('SET', KEYS[1], mark(1, 1, ARGV[1]), 'PX', ms)
elseif #h == ${HEADER_BYTES} and record == ${VALUE} then
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and left < ms then
    redis.call('SET', KEYS[1], mark(1, 0, ARGV[1]), 'PX', ms)
  else
    redis.call('SETRANGE', KEYS[1], 2, string.char(1, 0) .. ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ms)
  end
else
  redis.call('SET', KEYS[1], mark(1, 0, ARGV[1]), 'PX', ms)
end
return 1`;

/**
 * token, mode, value record, PX ('' for none) → 1: done; 2: `replace` found no value; 0: another write
 * overlapped, or the mark is gone; the key is not readable then.
 *
 * Modes: `set`; `replace` (keeps the expiry; nothing without a value); `drop`; `undo` (the statement
 * changed nothing: as it was before).
 */
export const END = `${HEADER}
local h, mode = header(KEYS[1]), ARGV[2]
if not isMarked(h) then
  if #h > 0 then redis.call('DEL', KEYS[1]) end
  return mode == 'drop' and 1 or 0
end
local writers, crowd, token = string.byte(h, 3), string.byte(h, 4), tokenOf(h)
if crowd == 0 and token == ARGV[1] then
  local isValue = string.byte(h, 1) == ${VALUE}
  if mode == 'set' then
    if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])
    else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
    return 1
  end
  if not isValue or mode == 'drop' then
    redis.call('DEL', KEYS[1])
    return mode == 'replace' and 2 or 1
  end
  if mode == 'replace' then
    redis.call('SET', KEYS[1], string.char(${VALUE}, ${STORED}) .. string.rep('\\0', 10)
      .. string.sub(h, ${EXPIRES_AT + 1}) .. string.sub(ARGV[3], ${HEADER_BYTES + 1}))
  else
    redis.call('SETRANGE', KEYS[1], 2, string.rep('\\0', 10))
  end
  local expiresAt = struct.unpack('<d', string.sub(h, ${EXPIRES_AT + 1}))
  if expiresAt == math.huge then redis.call('PERSIST', KEYS[1])
  else redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', expiresAt)) end
  return 1
end
-- With no crowd the mark is another's: ours had ended.
if crowd == 1 then writers = writers - 1 end
if writers == 0 then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], mark(writers, 1, token), 'KEEPTTL') end
return 0`;

/** Deletes values and leases; marks stay, and those writes set nothing. */
export const DELETE = `${HEADER}
for n = 1, #KEYS do
  local h = header(KEYS[n])
  if isMarked(h) then redis.call('SET', KEYS[n], mark(string.byte(h, 3), 1, tokenOf(h)), 'KEEPTTL')
  elseif #h > 0 then redis.call('DEL', KEYS[n]) end
end
return 1`;

/** 1: a value that was cached ahead of the database, or a strong write under way; 0: anything else is deleted. */
export const KEEP_CACHED = `${HEADER}
local h = header(KEYS[1])
if isMarked(h) then return 1 end
if #h == ${HEADER_BYTES} and string.byte(h, 1) == ${VALUE} and string.byte(h, 2) == ${CACHED} then return 1 end
if #h > 0 then redis.call('DEL', KEYS[1]) end
return 0`;

/** value: keeps header and TTL, so what is left stays right; 0 when there is no entry. */
export const REPLACE = `${HEADER}
local h = header(KEYS[1])
if #h < ${HEADER_BYTES} or string.byte(h, 1) ~= ${VALUE} then return 0 end
local writers = string.byte(h, 3)
redis.call('SET', KEYS[1], string.char(${VALUE}, ${CACHED}, writers, writers > 0 and 1 or 0)
  .. string.sub(h, 5) .. ARGV[1], 'KEEPTTL')
return 1`;
