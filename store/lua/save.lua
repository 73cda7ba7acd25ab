-- Writes a device record if it is still at the revision it was read at.
-- KEYS  1 device hash  2 its history list
-- ARGV  1 revision expected  2 revision written  3 nonce of this write
--       4 number of past updates  5 past updates kept  6.. the past updates, oldest first
--       then the fields and values of the whole record
-- Returns 1 written (now, or by an earlier try of this same write, also when commands have
--         raised the revision since), 0 another revision is there, -1 no such device.
local at = redis.call('HMGET', KEYS[1], 'r', 'w')
if not at[1] then return -1 end
if at[2] == ARGV[3] then return 1 end
if at[1] ~= ARGV[1] then return 0 end
local past = tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'r', ARGV[2]) -- first: behind a DEL, Redis lets a script write although it is out of memory
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'r', ARGV[2], 'w', ARGV[3], unpack(ARGV, 6 + past))
if past > 0 then
  redis.call('LPUSH', KEYS[2], unpack(ARGV, 6, 5 + past))
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[5]) - 1)
end
return 1
