-- Gives the keys of a device their names of layout 3, in which they have its team, and notes that the team has the id.
-- KEYS  1 record  2 history  3 outbox, by their names of layout 2  4 the sorted set of teams that have the id
-- ARGV  1 id
-- Returns how many keys were renamed, -1 if one has both names. What has no team gets 0: it is no
-- record that a server can read.
local team = '0'
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  team = string.match(redis.call('HGET', KEYS[1], 't') or '', '^[1-9]%d*$') or '0'
end
local from, to = {}, {}
for i = 1, 3 do
  local name = string.sub(KEYS[i], 1, -#ARGV[1] - 1) .. team .. '/' .. ARGV[1]
  if redis.call('EXISTS', KEYS[i]) == 1 then
    if redis.call('EXISTS', name) == 1 then return -1 end
    from[#from + 1], to[#to + 1] = KEYS[i], name
  end
end
if team ~= '0' then
  redis.call('ZADD', KEYS[4], 'NX', tonumber(redis.call('HGET', KEYS[1], 'r') or '0') or 0, team)
end
for i = 1, #from do redis.call('RENAME', from[i], to[i]) end
return #from
