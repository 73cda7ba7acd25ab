-- Gives a command the device's next number and puts it into its outbox.
-- KEYS  1 device hash  2 its outbox
-- ARGV  1 nonce of this write  2 pending commands allowed  3 command
-- Returns the number, 0 when the outbox is full, -1 when there is no such device.
local at = redis.call('HMGET', KEYS[1], 'r', 'w', 'lc', 'pc')
if not at[1] then return -1 end
if at[2] == ARGV[1] then return tonumber(at[3]) end
if tonumber(at[4] or '0') >= tonumber(ARGV[2]) then return 0 end
local number = redis.call('HINCRBY', KEYS[1], 'lc', 1)
redis.call('HINCRBY', KEYS[1], 'pc', 1)
redis.call('HINCRBY', KEYS[1], 'r', 1)
redis.call('HSET', KEYS[1], 'w', ARGV[1])
redis.call('HSET', KEYS[2], 'c' .. number, ARGV[3])
return number
