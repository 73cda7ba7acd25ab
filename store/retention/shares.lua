-- Shares: how much each owner (a device, a user) has of what a team keeps. Put before scripts that
-- keep their entries in them.
-- order is a sorted set of all entries, "owner\0id\0size", of score 0: each owner's, oldest first,
-- since ids sort by time. sizes is a sorted set: owner -> sum of sizes; "" -> that of all.
local function share_add(order, sizes, owner, id, size)
  redis.call('ZADD', order, 0, owner .. '\0' .. id .. '\0' .. size)
  redis.call('ZINCRBY', sizes, size, owner)
  redis.call('ZINCRBY', sizes, size, '')
end

local function share_remove(order, sizes, member)
  local owner, id, size = string.match(member, '^([^%z]*)%z([^%z]*)%z([^%z]*)$')
  redis.call('ZREM', order, member)
  for _, name in ipairs({owner, ''}) do
    if tonumber(redis.call('ZINCRBY', sizes, -tonumber(size), name)) <= 0 then redis.call('ZREM', sizes, name) end
  end
  return id
end

-- The oldest entry of an owner; nil for none.
local function share_oldest(order, owner)
  return redis.call('ZRANGEBYLEX', order, '[' .. owner .. '\0', '(' .. owner .. '\1', 'LIMIT', 0, 1)[1]
end

-- The entry of an owner with this id; nil for none.
local function share_find(order, owner, id)
  return redis.call('ZRANGEBYLEX', order, '[' .. owner .. '\0' .. id .. '\0', '(' .. owner .. '\0' .. id .. '\1', 'LIMIT', 0, 1)[1]
end

-- The owner with most, and how much that is; nil for none.
local function share_largest(sizes)
  local top = redis.call('ZREVRANGE', sizes, 0, 1, 'WITHSCORES')
  if top[1] == '' then return top[3], tonumber(top[4] or '0') end
  return top[1], tonumber(top[2] or '0')
end

local function share_of(sizes, owner) return tonumber(redis.call('ZSCORE', sizes, owner) or '0') end
