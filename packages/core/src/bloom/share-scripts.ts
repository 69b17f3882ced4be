/** The bitmap begins with a header: identity of the server (40), random (24), time of creation (16). */
export const HEADER_BYTES = 128;

/**
 * Whether the bitmap is the one it was: same token, and the server process that wrote it still runs, and has been
 * master ever since. A restart from a snapshot comes back with an old bitmap under its old token, and with another
 * run id; a master that was a replica in between, with another replication id
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/replication/).
 */
const HEADER = `
local header = redis.call('GETRANGE', KEYS[1], 0, 79)
local function serverId()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  return redis.sha1hex(run .. (replication or ''))
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function create(token)
  local created = serverId() .. token .. string.format('%016d', now())
  redis.call('DEL', KEYS[1])
  redis.call('SETRANGE', KEYS[1], 0, created)
  return created
end
`;

/**
 * me, random, header to be replaced if it is this one, names of members known from before → [header, now].
 * Registers as not yet trusted.
 */
export const JOIN = `${HEADER}
local time = now()
local isGone = #header < 80 or string.sub(header, 1, 40) ~= serverId()
local isLost = isGone or redis.call('EXISTS', KEYS[2]) == 0
if isGone or header == ARGV[3] then header = create(ARGV[2]) end
for n = 4, isLost and #ARGV or 0 do redis.call('ZADD', KEYS[2], 'NX', -time, ARGV[n]) end
redis.call('ZADD', KEYS[2], -time, ARGV[1])
return { header, time }`;

/**
 * header, me, trusted until, forget after, random → [now, members…], or nil when it must join again.
 * Whoever is forgotten may have written rows whose bits never came here: the bitmap is replaced, so that
 * every node reads the tables again.
 */
export const BEAT = `${HEADER}
local time = now()
if header ~= ARGV[1] or not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return nil end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
local bound = time - ARGV[4]
local forgotten = redis.call('ZREMRANGEBYSCORE', KEYS[2], '(0', bound)
  + redis.call('ZREMRANGEBYSCORE', KEYS[2], -bound, '(0')
if forgotten > 0 then
  create(ARGV[5])
  return nil
end
local reply = redis.call('ZRANGE', KEYS[2], 0, -1)
table.insert(reply, 1, time)
return reply`;

/** me. Until `RELEASE`, or until forgotten, everything passes on all nodes. */
export const HOLD = `${HEADER}
redis.call('ZADD', KEYS[2], -now(), ARGV[1])
return redis.call('ZRANGE', KEYS[2], 0, -1)`;

/** me, random. All nodes read the tables again. */
export const RELEASE = `${HEADER}
if #header > 0 then create(ARGV[2]) end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1`;

/**
 * header, least age, layout, blocks… → [now, the blocks' bytes…], or a number that says what is in doubt.
 * Nobody is trusted for longer than that age: a later time was written before the clock was set back.
 */
export const READ = `${HEADER}
if header ~= ARGV[1] or string.sub(header, 1, 40) ~= serverId() then return 1 end
local time = now()
if time - tonumber(string.sub(header, 65, 80)) < tonumber(ARGV[2]) then return 2 end
local members = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
if #members == 0 then return 1 end
for n = 1, #members, 2 do
  local untilTime = tonumber(members[n + 1])
  if untilTime <= time or untilTime > time + ARGV[2] then return 3 end
  if string.sub(members[n], 1, #ARGV[3]) ~= ARGV[3] then return 4 end
end
local blocks = { time }
for n = 4, #ARGV do
  local first = ${HEADER_BYTES} + ARGV[n] * 64
  blocks[n - 2] = redis.call('GETRANGE', KEYS[1], first, first + 63)
end
return blocks`;

/** header, then block and 64 bytes to merge, in turn → whether it was done. */
export const MERGE = `${HEADER}
if header ~= ARGV[1] then return 0 end
for n = 2, #ARGV, 2 do
  local first = ${HEADER_BYTES} + ARGV[n] * 64
  local old = redis.call('GETRANGE', KEYS[1], first, first + 63)
  local merged = ARGV[n + 1]
  if #old > 0 then
    old = old .. string.rep('\\0', 64 - #old)
    local words = {}
    for at = 1, 64, 4 do
      local a = struct.unpack('<I4', old, at)
      local b = struct.unpack('<I4', merged, at)
      words[#words + 1] = struct.pack('<I4', bit.bor(a, b) % 4294967296)
    end
    merged = table.concat(words)
  end
  if merged ~= old then redis.call('SETRANGE', KEYS[1], first, merged) end
end
return 1`;

/** me. */
export const LEAVE = `redis.call('ZREM', KEYS[2], ARGV[1]) return 1`;
