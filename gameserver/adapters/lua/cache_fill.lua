-- Put in place of a lease what was loaded, or nothing; done only if the lease still stands.
-- KEYS: the key      ARGV: token, ttl_ms (0: delete), what to store
-- Answer: 1 done, 0 the lease is gone
if redis.call('GET', KEYS[1]) ~= 'L' .. ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
end
return 1
