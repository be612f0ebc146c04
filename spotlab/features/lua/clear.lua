-- ARGV: namespace. Deletes all indexed rows and the indexes.

local views = ARGV[1] .. ':views'
for _, view in ipairs(redis.call('SMEMBERS', views)) do
  local index = ARGV[1] .. ':keys:' .. view
  for _, first in ipairs(redis.call('SMEMBERS', index)) do
    local part = index .. ':' .. first
    for _, name in ipairs(redis.call('SMEMBERS', part)) do
      redis.call('UNLINK', name)
    end
    redis.call('UNLINK', part)
  end
  redis.call('UNLINK', index)
end
redis.call('UNLINK', views)
