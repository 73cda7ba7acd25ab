-- Changes fields of a document if it is still at the revision it was read at.
-- KEYS  1 document hash
-- ARGV  1 revision expected, 0: the document must not exist  2 revision written
--       3 nonce of this write  4 number of ARGV that follow as fields and values to set
--       5.. those, then the fields to delete
-- Returns 1 written (now, or by an earlier try of this same write), 0 another revision
--         is there, -1 no such document.
local at = redis.call('HMGET', KEYS[1], 'rev', 'by')
local rev = at[1] or '0'
if rev ~= ARGV[1] then
  if at[2] == ARGV[3] then return 1 end
  if rev == '0' then return -1 end
  return 0
end
local last = 4 + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'by', ARGV[3])
for i = 5, last, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, last)))
end
for i = last + 1, #ARGV, 1000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 1
