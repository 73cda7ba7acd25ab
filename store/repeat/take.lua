-- Keeps a record under an id that has none, for a while, and drops the oldest above the
-- number kept.
-- KEYS  1 records hash  2 when each expires: sorted set of ids
-- ARGV  1 id  2 record, which no other write has  3 now in ms  4 when it expires in ms
--       5 records kept
-- Returns the record of the id: ARGV 2 when it was kept, now or by an earlier try of this
--         same write, else the one that was there.
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
for _, id in ipairs(gone) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then return held end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - tonumber(ARGV[5]))) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
redis.call('PEXPIREAT', KEYS[1], ARGV[4]) -- a team that repeats nothing any more leaves nothing
redis.call('PEXPIREAT', KEYS[2], ARGV[4])
return ARGV[2]
