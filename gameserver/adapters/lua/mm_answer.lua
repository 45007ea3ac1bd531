-- A player's answer in a ready check. A proposal is stored as deadline|asked|ids|proposal, where
-- `asked` counts those who have not said yes: at 0 the match is to be opened.
-- KEYS: waiting, busy, ended, ends, proposals, ready, changes
-- ARGV: id, player, 1 or 0, keep_ms
-- Answer: 1 = heard, 0 = the ticket is in no ready check
local waiting, busy, ended, ends, proposals, ready, changes =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local held = redis.call('HGET', busy, ARGV[1])
if not held then
  return 0
end
local proposal = string.sub(held, 1, string.find(held, '|', 1, true) - 1)
local stored = redis.call('HGET', proposals, proposal)
local deadline, asked, ids, rest = string.match(stored, '^(%d+)|(%d+)|([^|]*)|(.*)$')
if asked == '0' then
  return 0
end
if ARGV[3] == '1' then
  local said = redis.call('HGET', ready, proposal) or ','
  if not string.find(said, ',' .. ARGV[2] .. ',', 1, true) then
    redis.call('HSET', ready, proposal, said .. ARGV[2] .. ',')
    asked = string.format('%.0f', tonumber(asked) - 1)
    redis.call('HSET', proposals, proposal, deadline .. '|' .. asked .. '|' .. ids .. '|' .. rest)
    if asked == '0' then
      redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '=', proposal)
    end
  end
  return 1
end
local now = redis.call('TIME')
local until_ms = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[4])
for id in string.gmatch(ids, '[^,]+') do
  local each = redis.call('HGET', busy, id)
  redis.call('HDEL', busy, id)
  if id == ARGV[1] then
    redis.call('HSET', ended, id, 'declined')
    redis.call('ZADD', ends, until_ms, id)
  else
    local ticket = string.sub(each, #proposal + 2)
    redis.call('HSET', waiting, id, ticket)
    redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '+', ticket)
  end
end
redis.call('HDEL', proposals, proposal)
redis.call('HDEL', ready, proposal)
redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '=', proposal)
return 1
