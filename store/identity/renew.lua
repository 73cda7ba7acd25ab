-- Renews a holder's lease. One that ran out is taken again, in a new epoch if another process
-- held the store meanwhile, or if the store has older data.
-- KEYS  1 store hash  2 its lease
-- ARGV  1 the store's id  2 holder  3 its place  4 its epoch  5 how long the lease lasts, ms
--       6 "1" if processes share the lease: each that takes it begins an epoch
-- Returns what was found ("ours", "held" or "other"), the store's id, its epoch, the renewals
--         so far, and the holder that keeps this one out with its place.
local at = redis.call('HMGET', KEYS[1], 'id', 'term', 'beat', 'place')
local id = at[1] or ''
if id ~= ARGV[1] then return {'other', id, '0', '0', '', ''} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then
  return {'held', id, at[2] or '0', at[3] or '0', holder, at[4] or ''}
end
local epoch = at[2] or '0'
if epoch ~= ARGV[4] and (ARGV[6] ~= '1' or tonumber(epoch) < tonumber(ARGV[4])) then
  epoch = tostring(math.max(tonumber(epoch), tonumber(ARGV[4])) + 1)
  redis.call('HSET', KEYS[1], 'term', epoch)
end
if at[4] ~= ARGV[3] then redis.call('HSET', KEYS[1], 'place', ARGV[3]) end
local beat = redis.call('HINCRBY', KEYS[1], 'beat', 1)
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
return {'ours', id, epoch, tostring(beat), '', ''}
