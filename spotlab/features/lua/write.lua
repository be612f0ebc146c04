-- Write rows of one view; a row is written only if it is not older than the stored one.
-- ARGV: namespace, view, ttl_ms, "string" or "hash", [name, row, name, row, …] in MessagePack.
-- Returns the number of rows written. A script is atomic, so that concurrent writers are safe.

local namespace, view, ttl_ms, kind = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call, pcall, sub = redis.call, redis.pcall, string.sub
local TIME = '^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%d'

-- A key that holds something else is overwritten.
local function is_older(new, stored)
  if type(stored) == 'table' and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    error(stored.err)
  end
  return type(stored) == 'string' and new < sub(stored, 1, 26) and string.match(stored, TIME)
end

local put = {}

-- {"event_time":"2026-11-23T15:44:52.123456+00:00", …: the time begins at byte 15
function put.string(name, row)
  local stored = pcall('GETRANGE', name, 15, 40)
  if stored ~= '' and is_older(sub(row, 16, 41), stored) then
    return 0
  end
  call('SET', name, row, 'PX', ttl_ms)
  return 1
end

-- event_time, "2026-…", field, value, …
function put.hash(name, row)
  local stored = pcall('HGET', name, 'event_time')
  if stored and is_older(sub(row[2], 1, 26), stored) then
    return 0
  end
  call('DEL', name)
  for start = 1, #row, 1000 do -- unpack has a limit
    call('HSET', name, unpack(row, start, math.min(start + 999, #row)))
  end
  call('PEXPIRE', name, ttl_ms)
  return 1
end

local rows, index = cmsgpack.unpack(ARGV[5]), namespace .. ':keys:' .. view
local written, head, part, names = 0, '', nil, {}

local function note()
  for start = 1, #names, 1000 do
    call('SADD', part, unpack(names, start, math.min(start + 999, #names)))
  end
  call('PEXPIRE', part, ttl_ms)
  names = {}
end

for i = 1, #rows, 2 do
  local name = rows[i]
  written = written + put[kind](name, rows[i + 1])
  if sub(name, 1, #head) ~= head or head == '' then
    if part then note() end
    local first = string.match(name, '^[^:]*:([^:]*):') or ''
    head, part = view .. ':' .. (first ~= '' and first .. ':' or ''), index .. ':' .. first
    call('SADD', index, first)
  end
  names[#names + 1] = name
end
if part then
  note()
  call('PEXPIRE', index, ttl_ms)
  call('SADD', namespace .. ':views', view)
end
return written
