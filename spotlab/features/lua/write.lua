-- Write rows of one view; a row lands only if it is not older than the stored one.
-- KEYS: the rows' keys. ARGV: own prefix, view, ttl_ms, "string" or "hash", then one row a key.
-- Returns how many landed. Runs alone on the server, so that writers may race.

local own, view, ttl_ms, kind = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = now + ttl_ms

-- nil for what somebody else left under the key: that is written over
local function time_in(text)
  return type(text) == 'string'
    and string.match(text, '^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%d')
end

local function is_older(new, held)
  if type(held) == 'table' and not string.find(held.err, 'WRONGTYPE', 1, true) then
    error(held.err)
  end
  local time = time_in(held)
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

local landed, by_first = 0, {}
for i, key in ipairs(KEYS) do
  if put[kind](key, ARGV[4 + i]) then
    local first = string.match(key, '^[^:]*:([^:]*):') or ''
    local members = by_first[first] or {}
    members[#members + 1] = ends
    members[#members + 1] = key
    by_first[first] = members
    landed = landed + 1
  end
end

local index = own .. ':index:' .. view
for first, members in pairs(by_first) do
  local part = index .. ':' .. first
  redis.call('ZADD', part, unpack(members))
  redis.call('ZREMRANGEBYSCORE', part, '-inf', now)
  redis.call('PEXPIREAT', part, ends)
  redis.call('ZADD', index, ends, first)
end
if landed > 0 then
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  redis.call('PEXPIREAT', index, ends)
  redis.call('SADD', own .. ':views', view)
end
return landed
