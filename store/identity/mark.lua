-- Confirms, by a write, that a master of a Cluster is one of a store's.
-- KEYS  1 the mark
-- ARGV  1 the store's id  2 "1" to mark a master that has no mark
-- Returns what was found ("ours" or "other"), the id there, "0", the confirmations so far, "", "".
local id = redis.call('HGET', KEYS[1], 'id') or ''
if id == '' and ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'id', ARGV[1])
  id = ARGV[1]
end
if id ~= ARGV[1] then return {'other', id, '0', '0', '', ''} end
return {'ours', id, '0', tostring(redis.call('HINCRBY', KEYS[1], 'beat', 1)), '', ''}
