-- Gives a command the device's next number and puts it into its outbox.
-- KEYS  1 device hash  2 its outbox
-- ARGV  1 "1" when this command may have been queued before  2 nonce of this write
--       3 pending commands allowed  4 command
-- Returns the number, 0 when the outbox is full, -1 when there is no such device.
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
if ARGV[1] == '1' then
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 1) == 'n' and all[i + 1] == ARGV[2] then return tonumber(string.sub(all[i], 2)) end
  end
end
local pending = redis.call('HGET', KEYS[1], 'pc')
if tonumber(pending or '0') >= tonumber(ARGV[3]) then return 0 end
local number = redis.call('HINCRBY', KEYS[1], 'lc', 1)
redis.call('HINCRBY', KEYS[1], 'pc', 1)
redis.call('HINCRBY', KEYS[1], 'r', 1)
redis.call('HSET', KEYS[2], 'c' .. number, ARGV[4], 'n' .. number, ARGV[2])
return number
