-- Makes a process the holder of a store. Processes that share it have one name as its holder.
-- KEYS  1 store hash  2 its lease
-- ARGV  1 id that the store must have, "" for any  2 id for a store that has none  3 holder
--       4 the holder's place: a holder of the same place has ended  5 how long the lease lasts, ms
--       6 "1" if a store without an id may be given one  7 its layout then  8 the place to note
-- Returns what was found ("taken", "held", "absent" or "other"), the store's id, its epoch,
--         the renewals so far, and the holder that keeps others out with its place.
local at = redis.call('HMGET', KEYS[1], 'id', 'term', 'beat', 'place', 'epoch')
local id = at[1] or ''
local function answer(found, epoch, holder)
  return {found, id, epoch or at[2] or '0', at[3] or '0', holder or '', at[4] or ''}
end
if id == '' and ARGV[6] ~= '1' then return answer('absent') end
if id ~= '' and ARGV[1] ~= '' and id ~= ARGV[1] then return answer('other') end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[3] and at[4] ~= ARGV[4] then return answer('held', nil, holder) end
if id == '' then
  id = ARGV[2]
  redis.call('HSET', KEYS[1], 'id', id, 'layout', ARGV[7])
end
-- Layout 1 counted in the field epoch. Where that is not a number, its releases fail to take the store:
-- they would find it empty.
if at[5] ~= 'newer' then
  redis.call('HSET', KEYS[1], 'epoch', 'newer', 'term', at[2] or at[5] or '0')
end
local epoch = redis.call('HINCRBY', KEYS[1], 'term', 1)
redis.call('HSET', KEYS[1], 'place', ARGV[8])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[5])
return answer('taken', tostring(epoch))
