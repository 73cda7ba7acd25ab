-- Gives a name back, if it is its owner's; others keep it.
-- KEYS  1 the name's key: owners, separated by commas
-- ARGV  1 owner
-- Returns 1 given back, 0 it was not theirs.
local left, found = {}, 0
for owner in string.gmatch(redis.call('GET', KEYS[1]) or '', '[^,]+') do
  if owner == ARGV[1] then found = 1 else table.insert(left, owner) end
end
if found == 1 then
  if #left == 0 then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], table.concat(left, ',')) end
end
return found
