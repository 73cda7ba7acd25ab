-- Deletes a device.
-- KEYS  1 device hash  2 its history list  3 its outbox  4 the sorted set of teams that have the id
-- ARGV  1 team
-- Returns 1 if there was one, else 0.
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('ZREM', KEYS[4], ARGV[1])
return redis.call('DEL', KEYS[1])
