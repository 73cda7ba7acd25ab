-- Replaces a field if it has the text it should have.
-- KEYS  1 hash
-- ARGV  1 field  2 its text before, "" for none  3 its text, "" to delete it
-- Returns 1, or 0 if the text is another one. May be repeated.
local text = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if text ~= ARGV[2] and text ~= ARGV[3] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
