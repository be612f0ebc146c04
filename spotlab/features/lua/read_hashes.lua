-- KEYS: the rows' keys. Returns [field, value, field, …] of each in MessagePack, since the client
-- parses one string faster than a list of strings; nil if there is no hash. All errors except a key
-- of another type are returned to the caller: a denied command is not a missing row.

local rows = {}
for i, key in ipairs(KEYS) do
  local row = redis.pcall('HGETALL', key)
  if row.err and not string.find(row.err, 'WRONGTYPE', 1, true) then
    return row
  end
  rows[i] = row[1] and cmsgpack.pack(row) or false
end
return rows
