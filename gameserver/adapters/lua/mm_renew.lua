-- Stay the master, or, with a ttl of 0, be it no more. One whose lease ran out but was taken by
-- nobody stays it; one that was given up has no node, and is not brought back by what comes late.
-- KEYS: owner, lease      ARGV: fence, lease_ttl_ms, notes
-- Answer: 1 or 0
local stored = redis.call('HMGET', KEYS[1], 'fence', 'node')
if stored[1] ~= ARGV[1] or not stored[2] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[1], 'node')
  return 1
end
redis.call('SET', KEYS[2], stored[2], 'PX', ARGV[2])
redis.call('HSET', KEYS[1], 'notes', ARGV[3])
return 1
