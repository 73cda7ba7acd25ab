-- Adds an alert to a team's and drops the oldest above the number kept.
-- KEYS  1 alerts hash  2 their order
-- ARGV  1 alert id  2 alert  3 alerts kept  4 oldest id kept, "" for any
-- Returns 1.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
local old = redis.call('ZRANGE', KEYS[2], 0, -1 - tonumber(ARGV[3]))
if ARGV[4] ~= '' then
  for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], '-', '(' .. ARGV[4], 'LIMIT', 0, 100)) do
    old[#old + 1] = id
  end
end
for _, id in ipairs(old) do
  redis.call('HDEL', KEYS[1], id, 'x' .. id)
  redis.call('ZREM', KEYS[2], id)
end
return 1
