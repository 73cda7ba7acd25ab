-- Carries out a write of a record and, in the same step, notes it in the feed of its bucket.
-- KEYS  those of the write, then  1 tags of the bucket  2 its feed
-- ARGV  those of the write, then  1 entries kept  2 device  3 revision, "" if it is deleted
--       4 nonce of this write  5 product, as a field of the tags  6 first and 7 last of the
--       write's ARGV that the index looks at
-- Returns what the write returns and, if that is 1, the number of its entry and the tag of the
--         product's catalog.
local own = {unpack(ARGV, #ARGV - 6)}
for _ = 1, 7 do table.remove(ARGV) end
local function write()
--WRITE
end
local status = write()
if status ~= 1 then return {status} end
local tags, feed = KEYS[#KEYS - 1], KEYS[#KEYS]
local at = redis.call('HMGET', tags, 'seq', 'last', own[5])
local seq = tonumber(at[1] or '0')
if at[2] ~= own[4] then -- else an earlier try of this same write has noted it
  seq = seq + 1
  redis.call('XADD', feed, 'MAXLEN', '~', own[1], seq .. '-1', 'id', own[2], 'r', own[3], 'w', own[4], 'on', at[2] or '',
    unpack(ARGV, tonumber(own[6]), tonumber(own[7])))
  redis.call('HSET', tags, 'seq', seq, 'last', own[4])
end
return {1, seq, at[3] or ''}
