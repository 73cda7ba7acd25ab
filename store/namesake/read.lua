-- Reads the records of the devices of all teams that have one id.
-- KEYS  1 the sorted set of those teams
-- ARGV  1, 2 what the key of a record has before and after its team  3 records at most
-- Returns the team and the hash of each, oldest first.
local found = {}
for _, team in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[3] - 1)) do
  found[#found + 1] = {team, redis.call('HGETALL', ARGV[1] .. team .. ARGV[2])}
end
return found
