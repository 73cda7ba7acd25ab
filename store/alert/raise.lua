-- Adds an alert to a team's and drops what is more than is kept: of a device with more than its most,
-- its oldest; of all, the oldest of the device with most, or where none has more than the floor, the
-- oldest.
-- KEYS  1 alerts hash  2 their order  3 order of shares  4 sizes of shares
--       5 news: alerts that nobody was notified of  6 channels: exists if somebody wants to be
-- ARGV  1 alert id  2 alert  3 alerts kept  4 oldest id kept, "" for any
--       5 device  6 most of a device  7 floor of a device
-- Returns 1.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('ZADD', KEYS[2], 0, ARGV[1]) == 0 then return 1 end -- it was tried before
share_add(KEYS[3], KEYS[4], ARGV[5], ARGV[1], '1')
if redis.call('EXISTS', KEYS[6]) == 1 then
  redis.call('ZADD', KEYS[5], 0, ARGV[1])
  if redis.call('ZCARD', KEYS[5]) > 10000 then redis.call('ZPOPMIN', KEYS[5]) end
end

local function drop_id(id)
  redis.call('HDEL', KEYS[1], id, 'x' .. id, 'o' .. id)
  redis.call('ZREM', KEYS[2], id)
end

local function drop_oldest_of(device)
  local member = share_oldest(KEYS[3], device)
  if member then drop_id(share_remove(KEYS[3], KEYS[4], member)) end
  return member
end

local function drop_alert(id)
  local device = redis.call('HGET', KEYS[1], 'o' .. id)
  local member = device and share_find(KEYS[3], device, id)
  if member then share_remove(KEYS[3], KEYS[4], member) end
  drop_id(id)
end

redis.call('HSET', KEYS[1], 'o' .. ARGV[1], ARGV[5])
for _ = 1, 16 do
  if share_of(KEYS[4], ARGV[5]) <= tonumber(ARGV[6]) or not drop_oldest_of(ARGV[5]) then break end
end
for _ = 1, 16 do
  if redis.call('ZCARD', KEYS[2]) <= tonumber(ARGV[3]) then break end
  local device, count = share_largest(KEYS[4])
  if not device or count <= tonumber(ARGV[7]) then
    drop_alert(redis.call('ZRANGE', KEYS[2], 0, 0)[1])
  elseif not drop_oldest_of(device) then
    break
  end
end
if ARGV[4] ~= '' then
  for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], '-', '(' .. ARGV[4], 'LIMIT', 0, 100)) do drop_alert(id) end
end
return 1
