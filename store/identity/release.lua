-- Ends a lease, if it is still the holder's.
-- KEYS  1 store hash  2 its lease
-- ARGV  1 holder
-- Returns 1 ended, 0 it was not theirs.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[2])
