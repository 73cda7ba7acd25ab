-- Writes a device record if it is still in the state that was read: at its revision, and by the
-- same write. After a fail-over another state may have the same revision.
-- KEYS  1 device hash  2 its history list
-- ARGV  1 revision expected  2 nonce of its write  3 revision written  4 nonce of this write
--       5 number of past updates  6 past updates kept  7 number of fields that the record has no more
--       8.. the past updates, oldest first, then the fields and values of the whole record, then the
--       names of the fields that it has no more
-- Returns 1 written (now, or by an earlier try of this same write, also when commands have
--         raised the revision since), 0 another revision is there, -1 no such device.
local at = redis.call('HMGET', KEYS[1], 'r', 'w')
if not at[1] then return -1 end
if at[2] == ARGV[4] then return 1 end
if at[1] ~= ARGV[1] or (at[2] or '') ~= ARGV[2] then return 0 end
local past, last = tonumber(ARGV[5]), #ARGV - tonumber(ARGV[7])
-- First: behind a deletion, Redis lets a script write although it is out of memory.
redis.call('HSET', KEYS[1], 'r', ARGV[3], 'w', ARGV[4], unpack(ARGV, 8 + past, last))
if last < #ARGV then redis.call('HDEL', KEYS[1], unpack(ARGV, last + 1)) end
if past > 0 then
  redis.call('LPUSH', KEYS[2], unpack(ARGV, 8, 7 + past))
  redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[6]) - 1)
end
return 1
