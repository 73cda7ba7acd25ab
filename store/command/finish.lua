-- Records the result of a command. Once it has one it keeps it.
-- KEYS  1 device hash  2 its outbox
-- ARGV  1 number  2 result  3 how many finished commands are kept
-- Returns 1 recorded, 0 it had a result before, -1 no such command.
local n = tonumber(ARGV[1])
if redis.call('HEXISTS', KEYS[2], 'c' .. n) == 0 then return -1 end
if redis.call('HSETNX', KEYS[2], 'r' .. n, ARGV[2]) == 0 then return 0 end
if redis.call('EXISTS', KEYS[1]) == 1 then
  if redis.call('HINCRBY', KEYS[1], 'pc', -1) <= 0 then redis.call('HDEL', KEYS[1], 'pc') end
  redis.call('HINCRBY', KEYS[1], 'r', 1)
end
local finished = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.sub(field, 1, 1) == 'r' then finished[#finished + 1] = tonumber(string.sub(field, 2)) end
end
table.sort(finished)
for i = 1, #finished - tonumber(ARGV[3]) do
  redis.call('HDEL', KEYS[2], 'r' .. finished[i], 'c' .. finished[i], 'n' .. finished[i])
end
return 1
