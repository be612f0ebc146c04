-- KEYS: a part of a view's index. ARGV: "string" or "hash". Returns [name, row, name, row, …] in
-- MessagePack, a hash as [field, value, field, …], and removes names without a row from the index.
-- All errors except a key of another type are returned to the caller.

local names, rows, gone = redis.call('SMEMBERS', KEYS[1]), {}, {}

local function add(name, row)
  if row then
    rows[#rows + 1] = name
    rows[#rows + 1] = row
  elseif redis.call('EXISTS', name) == 0 then
    gone[#gone + 1] = name
  end
end

for start = 1, #names, 1000 do
  local last = math.min(start + 999, #names)
  if ARGV[1] == 'string' then
    for i, row in ipairs(redis.call('MGET', unpack(names, start, last))) do
      add(names[start + i - 1], row)
    end
  else
    for i = start, last do
      local row = redis.pcall('HGETALL', names[i])
      if row.err and not string.find(row.err, 'WRONGTYPE', 1, true) then
        return row
      end
      add(names[i], row[1] and row)
    end
  end
end
for start = 1, #gone, 1000 do
  redis.call('SREM', KEYS[1], unpack(gone, start, math.min(start + 999, #gone)))
end
return cmsgpack.pack(rows)
