-- Appends a record to a stream and trims it.
-- KEYS  1 stream
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
  if tonumber(last) > tonumber(ms) then ms = last end
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], ms .. '-*', 'n', ARGV[2], 'v', ARGV[6])
if ARGV[5] ~= '' then redis.call('XTRIM', KEYS[1], 'MINID', '~', ARGV[5]) end
return id
