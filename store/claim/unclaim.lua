-- Gives a unique name back, if it is still its owner's.
-- KEYS  1 the name's key
-- ARGV  1 owner
-- Returns 1 given back, 0 it was not theirs.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
