-- Replaces a record that take.lua kept, or forgets it.
-- KEYS  1 records hash  2 when each expires: sorted set of ids
-- ARGV  1 id  2 record, "" to forget it
-- Returns 1 done, 0 there is none any more.
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
