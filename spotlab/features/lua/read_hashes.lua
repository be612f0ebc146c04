-- KEYS: the rows' keys. Returns field, value, field, … of each; nil where there is no hash.

local rows = {}
for i, key in ipairs(KEYS) do
  local row = redis.pcall('HGETALL', key)
  rows[i] = row[1] and row or false
end
return rows
