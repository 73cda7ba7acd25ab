-- Appends a point to a curve, not more often than its pace. A curve with too many points loses
-- every other one, and its pace halves.
-- KEYS  1 points: list of "<time> ...", oldest first  2 paces: hash, curve -> s between two points
-- ARGV  1 curve  2 point  3 pace at first, in s  4 points kept  5 "1": whatever its pace
-- Returns 1 if the point was kept, now or by an earlier try.
local function time_of(point) return tonumber(string.match(point, '^%d+')) end
local newest = redis.call('LINDEX', KEYS[1], -1)
if newest == ARGV[2] then return 1 end
local pace = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or ARGV[3])
local at = time_of(ARGV[2])
if newest and ARGV[5] ~= '1' and at >= time_of(newest) and at - time_of(newest) < pace then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
local points = redis.call('LRANGE', KEYS[1], 0, -1)
if #points > tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[1])
  for i = 1, #points do
    if i % 2 == 1 or i == #points then redis.call('RPUSH', KEYS[1], points[i]) end
  end
  redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', 2 * pace))
end
return 1
