-- Take a match if no lease on it is running, the caller's own included: an acquisition whose
-- answer was given up may arrive late, and must not fence the one that followed it.
-- KEYS: state, lease, outbox      ARGV: owner, lease_ttl_ms, fence of a lease to be replaced
-- Answer: nil = held, 0 = forgotten, else {fence, version, checkpoint or nil, outbox entries}
local state, lease, outbox = KEYS[1], KEYS[2], KEYS[3]
local stored = redis.call('HMGET', state, 'fence', 'version', 'checkpoint', 'forgotten')
if redis.call('EXISTS', lease) == 1 and stored[1] ~= ARGV[3] then
  return false
end
if stored[4] then
  return 0
end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local fence = math.max(tonumber(stored[1] or '0') + 1, now_ms)
redis.call('HSET', state, 'fence', string.format('%.0f', fence), 'owner', ARGV[1])
redis.call('SET', lease, ARGV[1], 'PX', ARGV[2])
return {fence, tonumber(stored[2] or '0'), stored[3], redis.call('XRANGE', outbox, '-', '+')}
