-- Ends an edit of a catalog: notes in the feed of catalogs that every bucket has the tag.
-- KEYS  1 tags of the part  2 its feed  3 edits
-- ARGV  1 entries kept  2 product  3 tag  4 nonce of this write  5 the edit  6 the process that made it  7 what devices get at once
-- Returns 1.
local at = redis.call('HMGET', KEYS[1], 'seq', 'last')
if at[2] ~= ARGV[4] then
  local seq = tonumber(at[1] or '0') + 1
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], seq .. '-1', 'id', ARGV[2], 'r', ARGV[3], 'w', ARGV[4], 'on', at[2] or '', 'by', ARGV[6], 'now', ARGV[7])
  redis.call('HSET', KEYS[1], 'seq', seq, 'last', ARGV[4])
end
redis.call('HDEL', KEYS[3], ARGV[5])
return 1
