-- Replaces a record that is as it was read.
-- KEYS  1 the journal
-- ARGV  1 its id  2 the record  3 what replaces it
-- Returns 1 if it did, 0 if the record was changed or closed meanwhile. May be repeated.
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return (record == ARGV[2] or record == ARGV[3]) and 1 or 0
