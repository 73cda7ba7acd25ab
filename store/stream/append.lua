-- Appends a record to a stream and trims it.
-- KEYS  1 stream  2 where the clock went back: hash, last time before -> first time after, in ms
-- ARGV  1 "1" when this append was tried before  2 nonce of this append
--       3 time of the record in ms  4 entries kept  5 oldest time kept in ms, "" to not look
--       6 record
-- Returns the id of its entry. Ids follow the time of the record, and grow.
if ARGV[1] == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 512)) do
    if entry[2][2] == ARGV[2] then return entry[1] end
  end
end
local ms = ARGV[3]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest then
  local last = string.match(newest[1], '^%d+')
  local ahead = tonumber(last) - tonumber(ms)
  if ahead > 1000 then -- less is records that overtook each other
    local first = redis.call('HGET', KEYS[2], last)
    if not first or tonumber(first) > tonumber(ms) then redis.call('HSET', KEYS[2], last, ms) end
    local steps = redis.call('HKEYS', KEYS[2])
    if #steps > 100 then
      table.sort(steps, function(a, b) return tonumber(a) < tonumber(b) end)
      redis.call('HDEL', KEYS[2], steps[1])
    end
  end
  if ahead > 0 then ms = last end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], ms .. '-*', 'n', ARGV[2], 'v', ARGV[6])
if ARGV[5] ~= '' then redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[5]) end
return id
