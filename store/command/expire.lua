-- Takes commands nobody answered out of a device's outbox.
-- KEYS  1 device hash  2 its outbox
-- ARGV  1.. numbers
-- Returns how many it took out.
local gone = 0
for _, n in ipairs(ARGV) do
  if redis.call('HEXISTS', KEYS[2], 'r' .. n) == 0 then
    gone = gone + redis.call('HDEL', KEYS[2], 'c' .. n)
    redis.call('HDEL', KEYS[2], 'n' .. n)
  end
end
if gone > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  if redis.call('HINCRBY', KEYS[1], 'pc', -gone) <= 0 then redis.call('HDEL', KEYS[1], 'pc') end
  redis.call('HINCRBY', KEYS[1], 'r', 1)
end
return gone
