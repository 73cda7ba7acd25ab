-- Ends a lease, if it is still the holder's.
-- KEYS  1 store hash  2 its lease  3 the nodes that share it
-- ARGV  1 holder
-- Returns 1 ended, 0 it was not theirs, or others share it.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.call('HLEN', KEYS[3]) > 0 then return 0 end
return redis.call('DEL', KEYS[2])
