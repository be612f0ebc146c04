-- KEYS: the rows' keys. Returns [field, value, field, …] of each in MessagePack, since the client
-- reads one text faster than a list of texts; nil where there is no hash. Another error than a key of
-- another type is the caller's to see: a refusal is no missing row.

local rows = {}
for i, key in ipairs(KEYS) do
  local row = redis.pcall('HGETALL', key)
  if row.err and not string.find(row.err, 'WRONGTYPE', 1, true) then
    return row
  end
  rows[i] = row[1] and cmsgpack.pack(row) or false
end
return rows
