-- Writes a device record if there is none, and its team among those that have the id.
-- KEYS  1 device hash  2 the sorted set of teams that have the id
-- ARGV  1 revision  2 nonce of this write  3 team  4.. fields and values
-- Returns 1 written (now, or by an earlier try of this same write), 0 the record exists.
local by = redis.call('HMGET', KEYS[1], 'r', 'w')
if by[1] then
  if by[2] == ARGV[2] then return 1 end
  return 0
end
redis.call('HSET', KEYS[1], 'r', ARGV[1], 'w', ARGV[2], unpack(ARGV, 4))
redis.call('ZADD', KEYS[2], 'NX', ARGV[1], ARGV[3])
return 1
