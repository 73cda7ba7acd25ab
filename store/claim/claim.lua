-- Makes an owner one of those of a name.
-- KEYS  1 the name's key: owners, separated by commas, oldest first
-- ARGV  1 owner  2 owners it may have
-- Returns 1 it is one of them, 0 there are as many as there may be.
local owners = redis.call('GET', KEYS[1]) or ''
local count = 0
for owner in string.gmatch(owners, '[^,]+') do
  if owner == ARGV[1] then return 1 end
  count = count + 1
end
if count >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], owners == '' and ARGV[1] or owners .. ',' .. ARGV[1])
return 1
