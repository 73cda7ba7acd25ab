-- Stores notifications and removes the news that they are about.
-- KEYS  1 records  2 their order  3 queue  4 news  5 marks
-- ARGV  1 records kept  2 mark, "" for none  3 its value  4 how many news  then their ids
--       then for each record: id, its text before ("" for none), its text, creation in ms, due in ms ("" for settled)
-- Returns 1, or 0 if a record has another text than before. May be repeated.
local news = tonumber(ARGV[4])
local first = 5 + news
for i = first, #ARGV, 5 do
  local text = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if text ~= ARGV[i + 1] and text ~= ARGV[i + 2] then return 0 end
end
for i = first, #ARGV, 5 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  redis.call('ZADD', KEYS[2], ARGV[i + 3], ARGV[i])
  if ARGV[i + 4] == '' then
    redis.call('ZREM', KEYS[3], ARGV[i])
  else
    redis.call('ZADD', KEYS[3], ARGV[i + 4], ARGV[i])
  end
end
for i = 5, first - 1 do redis.call('ZREM', KEYS[4], ARGV[i]) end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[5], ARGV[2], ARGV[3]) end

local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[1])
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, over + 99)) do
    if over > 0 and not redis.call('ZSCORE', KEYS[3], id) then
      redis.call('HDEL', KEYS[1], id)
      redis.call('ZREM', KEYS[2], id)
      over = over - 1
    end
  end
end
return 1
