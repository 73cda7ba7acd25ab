-- Sets the layout of a store, if the lease is still the holder's.
-- KEYS  1 store hash  2 its lease
-- ARGV  1 holder  2 layout
-- Returns 1 set, 0 the lease is not theirs.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'layout', ARGV[2])
return 1
