-- Gives a record another id.
-- KEYS  1 the journal
-- ARGV  1 its id  2 its new id  3 the record
-- Returns 1 if it has the new id, 0 if another process was first. May be repeated.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return redis.call('HEXISTS', KEYS[1], ARGV[2])
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
