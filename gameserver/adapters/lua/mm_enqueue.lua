-- Let a ticket wait, with the time of the store before it. The same id again changes nothing.
-- KEYS: waiting, busy, ended, changes      ARGV: id, ticket, tickets_max
-- Answer: 1 = taken (now or before), 2 = full, 3 = ended before, 4 = taken now, and it is alone
local waiting, busy, ended, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HEXISTS', waiting, ARGV[1]) == 1 or redis.call('HEXISTS', busy, ARGV[1]) == 1 then
  return 1
end
if redis.call('HEXISTS', ended, ARGV[1]) == 1 then
  return 3
end
local others = redis.call('HLEN', waiting) + redis.call('HLEN', busy)
if others >= tonumber(ARGV[3]) then
  return 2
end
local now = redis.call('TIME')
local stored = string.format('%.0f:', now[1] * 1000 + math.floor(now[2] / 1000)) .. ARGV[2]
redis.call('HSET', waiting, ARGV[1], stored)
redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '+', stored)
return others == 0 and 4 or 1
