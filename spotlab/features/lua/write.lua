-- Write rows of one view; a row is written only if it is not older than the stored one.
-- KEYS: the rows' keys. ARGV: namespace, view, ttl_ms, "string" or "hash", then one row per key.
-- Returns the number of rows written. A script is atomic, so that concurrent writers are safe.

local namespace, view, ttl_ms, kind = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local expires_at = now + ttl_ms

-- nil if the key holds something else, which is overwritten
local function time_in(text)
  return type(text) == 'string'
    and string.match(text, '^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%d')
end

local function is_older(new, stored)
  if type(stored) == 'table' and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    error(stored.err)
  end
  local time = time_in(stored)
  return time and time_in(new) < time
end

local put = {}

-- {"event_time":"2026-11-23T15:44:52.123456+00:00", …: the time begins at byte 15
function put.string(key, row)
  if is_older(string.sub(row, 16, 41), redis.pcall('GETRANGE', key, 15, 40)) then
    return false
  end
  redis.call('SET', key, row, 'PX', ttl_ms)
  return true
end

-- [event_time, "2026-…", field, value, …] in MessagePack
function put.hash(key, row)
  local fields = cmsgpack.unpack(row)
  if is_older(fields[2], redis.pcall('HGET', key, 'event_time')) then
    return false
  end
  redis.call('DEL', key)
  for start = 1, #fields, 1000 do -- unpack has a limit
    redis.call('HSET', key, unpack(fields, start, math.min(start + 999, #fields)))
  end
  redis.call('PEXPIRE', key, ttl_ms)
  return true
end

local written, members_by_first = 0, {}
for i, key in ipairs(KEYS) do
  if put[kind](key, ARGV[4 + i]) then
    local first = string.match(key, '^[^:]*:([^:]*):') or ''
    local members = members_by_first[first] or {}
    members[#members + 1] = expires_at
    members[#members + 1] = key
    members_by_first[first] = members
    written = written + 1
  end
end

local index = namespace .. ':index:' .. view
for first, members in pairs(members_by_first) do
  local part = index .. ':' .. first
  redis.call('ZADD', part, unpack(members))
  redis.call('ZREMRANGEBYSCORE', part, '-inf', now)
  redis.call('PEXPIREAT', part, expires_at)
  redis.call('ZADD', index, expires_at, first)
end
if written > 0 then
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('PEXPIREAT', index, expires_at)
  redis.call('SADD', namespace .. ':views', view)
end
return written
