-- ARGV: namespace. Deletes all indexed rows and the indexes.

local views = ARGV[1] .. ':views'
for _, view in ipairs(redis.call('SMEMBERS', views)) do
  local index = ARGV[1] .. ':index:' .. view
  for _, first in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local part = index .. ':' .. first
    for _, key in ipairs(redis.call('ZRANGE', part, 0, -1)) do
      redis.call('UNLINK', key)
    end
    redis.call('UNLINK', part)
  end
  redis.call('UNLINK', index)
end
redis.call('UNLINK', views)
