-- Archives or restores an alert.
-- KEYS  1 alerts hash
-- ARGV  1 alert id  2 "1" archive, "0" restore
-- Returns 1 done, 0 no such alert.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'x' .. ARGV[1], '1')
else
  redis.call('HDEL', KEYS[1], 'x' .. ARGV[1])
end
return 1
