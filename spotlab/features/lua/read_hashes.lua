-- KEYS: the rows' keys. Returns [field, value, field, …] of each in MessagePack, since the client
-- reads one text faster than a list of texts; nil where there is no hash.

local rows = {}
for i, key in ipairs(KEYS) do
  local row = redis.pcall('HGETALL', key)
  rows[i] = row[1] and cmsgpack.pack(row) or false
end
return rows
