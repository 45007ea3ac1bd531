-- For each proposal by itself: all of its tickets wait, and leave the waiting for it, or nothing
-- happens. The same proposal again answers 1 and changes nothing.
-- KEYS: waiting, busy, proposals, changes, owner
-- ARGV: fence, ready_ms, then for each proposal: id, proposal, players to ask, count, ids
-- Answer: nil = fenced, else for each 1 or 0
local waiting, busy, proposals, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HGET', KEYS[5], 'fence') ~= ARGV[1] then
  return false
end
local deadline = '0'
if ARGV[2] ~= '0' then
  local now = redis.call('TIME')
  deadline = string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[2]))
end
local answers, at = {}, 3
while at <= #ARGV do
  local id, first, count = ARGV[at], at + 4, tonumber(ARGV[at + 3])
  local ids = {}
  for n = first, first + count - 1 do
    ids[#ids + 1] = ARGV[n]
  end
  if redis.call('HEXISTS', proposals, id) == 1 then
    answers[#answers + 1] = 1
  else
    local tickets, all = redis.call('HMGET', waiting, unpack(ids)), 1
    for n = 1, count do
      if not tickets[n] then
        all = 0
      end
    end
    if all == 1 then
      local moved = {}
      for n = 1, count do
        moved[#moved + 1] = ids[n]
        moved[#moved + 1] = id .. '|' .. tickets[n]
      end
      redis.call('HDEL', waiting, unpack(ids))
      redis.call('HSET', busy, unpack(moved))
      local asked = deadline == '0' and '0' or ARGV[at + 2]
      redis.call('HSET', proposals, id,
        deadline .. '|' .. asked .. '|' .. table.concat(ids, ',') .. '|' .. ARGV[at + 1])
      redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '=', id)
    end
    answers[#answers + 1] = all
  end
  at = first + count
end
return answers
