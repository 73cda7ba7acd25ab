-- Writes what a node has, if nobody has written since it read what all have.
-- KEYS  1 hash: version, and a field for each node
-- ARGV  1 the version that it read  2 the version that it writes  3 the node  4 what it has  5 ... nodes that are gone
-- Returns the time in seconds, the version, and, if that is not the one it read, the hash. To write the same is to write nothing.
local time = redis.call('TIME')[1]
local version = redis.call('HGET', KEYS[1], 'version') or ''
if version ~= ARGV[1] then return {time, version, redis.call('HGETALL', KEYS[1])} end
local changed = redis.call('HGET', KEYS[1], ARGV[3]) ~= ARGV[4]
for i = 5, #ARGV do
  if redis.call('HDEL', KEYS[1], ARGV[i]) == 1 then changed = true end
end
if changed then
  version = ARGV[2]
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[4], 'version', version)
end
return {time, version}
