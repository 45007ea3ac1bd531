-- What is cached, and for how long; where nothing is, a lease to load it, if a token is given.
-- KEYS: the key      ARGV: token ('' only reads), lease_ms
-- Answer: {what was stored, ms it has left}, or false where there was nothing
local stored = redis.call('GET', KEYS[1])
if stored then
  return {stored, redis.call('PTTL', KEYS[1])}
end
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[1], 'L' .. ARGV[1], 'PX', ARGV[2])
end
return false
