-- Sets the tag of a catalog next to the records of a bucket, unless the one there is as new.
-- KEYS  1 tags of the bucket
-- ARGV  1 product, as a field of the tags  2 tag, "" if the catalog is deleted
-- Returns the tag that is as new, "" if the tag is set.
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return ''
end
local is = redis.call('HGET', KEYS[1], ARGV[1])
if is == ARGV[2] then return '' end
if is and tonumber(string.match(is, '^%d+')) >= tonumber(string.match(ARGV[2], '^%d+')) then return is end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ''
