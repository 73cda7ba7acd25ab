-- Writes a device record if there is none.
-- KEYS  1 device hash
-- ARGV  1 revision  2 nonce of this write  3.. fields and values
-- Returns 1 written (now, or by an earlier try of this same write), 0 the id exists.
local by = redis.call('HMGET', KEYS[1], 'r', 'w')
if by[1] then
  if by[2] == ARGV[2] then return 1 end
  return 0
end
redis.call('HSET', KEYS[1], 'r', ARGV[1], 'w', ARGV[2], unpack(ARGV, 3))
return 1
