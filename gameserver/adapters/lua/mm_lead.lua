-- Become the master of a queue that has none.
-- KEYS: owner, lease      ARGV: node, lease_ttl_ms
-- Answer: nil = it has one, else {fence, now_ms, notes}
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local stored = redis.call('HMGET', KEYS[1], 'fence', 'notes')
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local fence = math.max(tonumber(stored[1] or '0') + 1, now_ms)
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence), 'node', ARGV[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {fence, now_ms, stored[2] or ''}
