-- KEYS: a part of a view's index, and the index. ARGV: ttl_ms, a field or "", a text. Renews the TTL
-- of each hash whose field is the text, or of each string whose value begins with it.
-- Returns the number of these rows.

local ttl_ms, field, text = ARGV[1], ARGV[2], ARGV[3]
local call, pcall = redis.call, redis.pcall
local renewed = 0
for _, name in ipairs(call('SMEMBERS', KEYS[1])) do
  local found
  if field ~= '' then
    found = pcall('HGET', name, field)
  else -- {"event_time":"2026-11-23T15:44:52.123456+00:00","value":{…: the value begins at byte 57
    found = pcall('GETRANGE', name, 57, 56 + #text)
  end
  if found == text then
    renewed = renewed + call('PEXPIRE', name, ttl_ms)
  elseif type(found) == 'table' and not string.find(found.err, 'WRONGTYPE', 1, true) then
    return found
  end
end
if renewed > 0 then
  for _, key in ipairs(KEYS) do
    call('PEXPIRE', key, ttl_ms)
  end
end
return renewed
