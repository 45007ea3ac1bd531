-- Take the turn to look for matches that nobody owns.
-- KEYS: sweep      ARGV: turn_ms, 1 = whoever has it
-- Answer: nil = another node has it, or all was looked at a moment ago; else {number, place}
local stored = redis.call('HMGET', KEYS[1], 'number', 'place', 'until')
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local left_ms = tonumber(stored[3] or '0') - now_ms
-- Longer than a turn can be: a server with another clock has written it, before a failover.
if ARGV[2] == '0' and left_ms > 0 and left_ms <= tonumber(ARGV[1]) then
  return false
end
local number = string.format('%.0f', tonumber(stored[1] or '0') + 1)
local place = stored[2] or '0'
redis.call('HSET', KEYS[1], 'number', number, 'until', string.format('%.0f', now_ms + ARGV[1]))
if place == '0' then
  redis.call('HSET', KEYS[1], 'begun', string.format('%.0f', now_ms))
end
return {number, place}
