-- Adds numbers to the newest bucket of each tier, and appends marks.
-- KEYS  1 writers: hash, writer -> "<number of its last write> <time>"  2 marks: list  3 groups: set
--       4.. tiers, fine to coarse: lists of buckets "<time> <name>=<sum> ...", oldest first
-- ARGV  1 writer  2 number of this write, which grows  3 time in s  4 bytes of a bucket
--       5 marks kept  6 number of marks  7 group, or ""
--       8.. step of each tier in s, buckets kept of it, in turns
--       then the marks, then names and numbers in turns
-- Returns 1 written, 0 by an earlier try, -1 if the group has no timeline.
local tiers, marks = #KEYS - 3, tonumber(ARGV[6])
if ARGV[7] ~= '' and redis.call('SISMEMBER', KEYS[3], ARGV[7]) == 0 then return -1 end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and tonumber(string.match(known, '^%d+')) >= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])

local writers = redis.call('HGETALL', KEYS[1])
if #writers > 2 * 16 then -- those of processes that have ended
  local oldest, since
  for i = 1, #writers, 2 do
    local at = tonumber(string.match(writers[i + 1], '%d+$'))
    if writers[i] ~= ARGV[1] and (not since or at < since) then oldest, since = writers[i], at end
  end
  redis.call('HDEL', KEYS[1], oldest)
end

local first = 8 + 2 * tiers
for i = first, first + marks - 1 do redis.call('RPUSH', KEYS[2], ARGV[i]) end
if marks > 0 then redis.call('LTRIM', KEYS[2], -tonumber(ARGV[5]), -1) end

local function size_of(name) return #name + 18 end -- with "=", up to 16 digits, and a space

for t = 1, tiers do
  local key, step = KEYS[3 + t], tonumber(ARGV[6 + 2 * t])
  local at = string.format('%.0f', math.floor(tonumber(ARGV[3]) / step) * step)
  local names, sums, size = {}, {}, #at
  local newest = redis.call('LINDEX', key, -1)
  local same = newest and string.match(newest, '^%d+') == at
  if same then
    for name, sum in string.gmatch(newest, '(%S+)=(%d+)') do
      names[#names + 1], sums[name], size = name, tonumber(sum), size + size_of(name)
    end
  end
  for i = first + marks, #ARGV, 2 do
    local name = ARGV[i]
    if not sums[name] and size + size_of(name) + 2 * size_of('d:*') > tonumber(ARGV[4]) then -- no room: with others of its kind
      name = string.match(name, '^[^:]*') .. ':*'
    end
    if not sums[name] then names[#names + 1], sums[name], size = name, 0, size + size_of(name) end
    sums[name] = sums[name] + tonumber(ARGV[i + 1])
  end
  local text = { at }
  for _, name in ipairs(names) do text[#text + 1] = name .. '=' .. string.format('%.0f', sums[name]) end
  if same then
    redis.call('LSET', key, -1, table.concat(text, ' '))
  else
    redis.call('RPUSH', key, table.concat(text, ' '))
    redis.call('LTRIM', key, -tonumber(ARGV[7 + 2 * t]), -1)
  end
end
return 1
