-- Replaces a field if it has the text it should have.
-- KEYS  1 hash
-- ARGV  1 field  2 its text before, "" for none  3 its text, "" to remove it
-- Returns its text after.
local text = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if text ~= ARGV[2] then return text end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return ARGV[3]
