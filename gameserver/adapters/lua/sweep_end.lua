-- Give the turn back: the next node goes on at once, or, where all has been looked at, begins anew
-- turn_ms after this walk has begun.
-- KEYS: sweep      ARGV: number, place reached (0 = the end), turn_ms
-- Answer: 1, or 0 = another node has taken the turn meanwhile
local stored = redis.call('HMGET', KEYS[1], 'number', 'begun')
if stored[1] ~= ARGV[1] then
  return 0
end
local from_ms = 0
if ARGV[2] == '0' then
  from_ms = tonumber(stored[2] or '0') + ARGV[3]
end
redis.call('HSET', KEYS[1], 'place', ARGV[2], 'until', string.format('%.0f', from_ms))
return 1
