-- Proposals come to their end: their tickets are matched, or wait again with the time they had.
-- KEYS: waiting, busy, ended, ends, proposals, ready, changes, owner
-- ARGV: fence, what ('matched', 'back', 'lapse'), keep_ms, then for each proposal: id and match; or,
--       for 'lapse', one id, and for each ticket: count of players and their names
-- Answer: nil = fenced, else ids of tickets that have ended as declined
local waiting, busy, ended, ends, proposals, ready, changes =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
if redis.call('HGET', KEYS[8], 'fence') ~= ARGV[1] then
  return false
end
local what = ARGV[2]
local now = redis.call('TIME')
local until_ms = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[3])
local declined, at = {}, 4
while at <= #ARGV do
  local proposal = ARGV[at]
  local stored = redis.call('HGET', proposals, proposal)
  local asked, ids = nil, nil
  if stored then
    asked, ids = string.match(stored, '^%d+|(%d+)|([^|]*)|')
  end
  local said = redis.call('HGET', ready, proposal) or ','
  local players = at + 1
  if not stored or (what == 'lapse' and asked == '0') then
    ids = ''
  else
    redis.call('HDEL', proposals, proposal)
    redis.call('HDEL', ready, proposal)
    redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '=', proposal)
  end
  for id in string.gmatch(ids, '[^,]+') do
    local held = redis.call('HGET', busy, id)
    local all = true
    if what == 'lapse' then
      local count = tonumber(ARGV[players])
      for n = players + 1, players + count do
        all = all and string.find(said, ',' .. ARGV[n] .. ',', 1, true)
      end
      players = players + count + 1
    end
    redis.call('HDEL', busy, id)
    if what == 'matched' then
      redis.call('HSET', ended, id, 'matched:' .. ARGV[at + 1])
      redis.call('ZADD', ends, until_ms, id)
    elseif all then
      local ticket = string.sub(held, #proposal + 2)
      redis.call('HSET', waiting, id, ticket)
      redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '+', ticket)
    else
      declined[#declined + 1] = id
      redis.call('HSET', ended, id, 'declined')
      redis.call('ZADD', ends, until_ms, id)
    end
  end
  at = what == 'lapse' and #ARGV + 1 or at + 2
end
return declined
