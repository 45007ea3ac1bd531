-- Delete an ended match whose outbox is empty. Its fence stays for a while, so that an owner who
-- slept through the end is told that it is fenced, and does not find an unknown match to revive.
-- KEYS: state, lease, outbox      ARGV: fence, keep_fence_ms
-- Answer: 1 = gone (now or before), 0 = nothing done
local state, lease, outbox = KEYS[1], KEYS[2], KEYS[3]
local stored = redis.call('HMGET', state, 'fence', 'forgotten')
if not stored[1] then
  return 1
end
if stored[1] ~= ARGV[1] then
  return 0
end
if stored[2] then
  return 1
end
if redis.call('XLEN', outbox) > 0 then
  return 0
end
redis.call('DEL', state, lease, outbox)
redis.call('HSET', state, 'fence', ARGV[1], 'forgotten', '1')
redis.call('PEXPIRE', state, ARGV[2])
return 1
