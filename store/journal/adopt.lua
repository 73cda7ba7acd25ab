-- Gives a record another id.
-- KEYS  1 the journal
-- ARGV  1 its id  2 its new id
-- Returns the record, '' if another process was first or it was fenced. May be repeated.
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record == '' then
  return ''
elseif record then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[2], record)
  return record
end
return redis.call('HGET', KEYS[1], ARGV[2]) or ''
