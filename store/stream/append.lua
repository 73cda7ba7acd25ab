-- Appends a record to a stream and drops what is more than is kept: of an owner with more than its
-- most, its oldest; of all, the oldest of the owner with most, but no owner gets below the floor.
-- KEYS  1 stream  2 where the clock went back: hash, last time before -> first time after, in ms
--       3 order of shares  4 sizes of shares  5 head (optional)
-- ARGV  1 "1" when this append was tried before  2 nonce of this append
--       3 time of the record in ms  4 entries kept, whatever the shares  5 oldest time kept in ms, "" to not look
--       6 record  7 owner  8 size  9 most of an owner  10 floor of an owner  11 most of all
--       12 first sequence number of an id  13 the head that was seen, "" for none  14 the next head
-- Returns the id of its entry. Ids follow the time of the record, and grow. Where the head is not the
-- one that was seen it does nothing and returns {head}.
if ARGV[1] == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 512)) do
    if entry[2][2] == ARGV[2] then return entry[1] end
  end
end

if KEYS[5] then
  local head = redis.call('GET', KEYS[5]) or ''
  if head ~= ARGV[13] then return {head} end
end

local function padded(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 15 - #ms) .. ms .. '-' .. string.rep('0', 20 - #seq) .. seq
end

local function plain(id)
  local ms, seq = string.match(id, '^0*(%d+)%-0*(%d+)$')
  return ms .. '-' .. seq
end

local function drop(member) redis.call('XDEL', KEYS[1], plain(share_remove(KEYS[3], KEYS[4], member))) end

local function drop_oldest_of(owner)
  local member = share_oldest(KEYS[3], owner)
  if member then drop(member) end
  return member
end

-- Drops an entry of the stream, which may be older than shares are.
local function drop_entry(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'o' then
      local member = share_find(KEYS[3], entry[2][i + 1], padded(entry[1]))
      if member then share_remove(KEYS[3], KEYS[4], member) end
    end
  end
  redis.call('XDEL', KEYS[1], entry[1])
end

local ms, seq = ARGV[3], '*'
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local last, last_seq
if newest then
  last, last_seq = string.match(newest[1], '^(%d+)%-(%d+)$')
  local ahead = tonumber(last) - tonumber(ms)
  if ahead > 1000 then -- less is records that overtook each other
    local first = redis.call('HGET', KEYS[2], last)
    if not first or tonumber(first) > tonumber(ms) then redis.call('HSET', KEYS[2], last, ms) end
    local steps = redis.call('HKEYS', KEYS[2])
    if #steps > 100 then
      table.sort(steps, function(a, b) return tonumber(a) < tonumber(b) end)
      redis.call('HDEL', KEYS[2], steps[1])
    end
  end
  if ahead > 0 then ms = last end
end
if ARGV[12] ~= '0' and last ~= ms then seq = ARGV[12] end
local id = redis.call('XADD', KEYS[1], ms .. '-' .. seq, 'n', ARGV[2], 'v', ARGV[6], 'o', ARGV[7])
if KEYS[5] then redis.call('SET', KEYS[5], ARGV[14]) end -- not before: what fails half-way is not undone
share_add(KEYS[3], KEYS[4], ARGV[7], padded(id), ARGV[8])

local most, floor, all = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
for _ = 1, 16 do
  local own = share_of(KEYS[4], ARGV[7])
  if own <= most or own <= tonumber(ARGV[8]) or not drop_oldest_of(ARGV[7]) then break end
end
for _ = 1, 16 do
  if share_of(KEYS[4], '') <= all then break end
  local owner, size = share_largest(KEYS[4])
  if not owner or size <= floor or not drop_oldest_of(owner) then break end
end
for _ = 1, 16 do
  if redis.call('XLEN', KEYS[1]) <= tonumber(ARGV[4]) then break end
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
  local owner, size = share_largest(KEYS[4])
  if #oldest[2] < 6 or not owner or size <= floor then
    drop_entry(oldest)
  elseif not drop_oldest_of(owner) then
    break
  end
end
if ARGV[5] ~= '' then
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '(' .. ARGV[5] .. '-0', 'COUNT', 200)) do drop_entry(entry) end
end
return id
