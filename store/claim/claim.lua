-- Claims a unique name for an owner.
-- KEYS  1 the name's key
-- ARGV  1 owner
-- Returns the owner of the name: ARGV 1 if it was free or already theirs.
local owner = redis.call('GET', KEYS[1])
if owner then return owner end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
