-- Change the time to live of a value; a lease keeps its own.
-- KEYS: the key      ARGV: ttl_ms
-- Answer: 1 done, 0 there is no value
local stored = redis.call('GET', KEYS[1])
if not stored or string.sub(stored, 1, 1) == 'L' then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
