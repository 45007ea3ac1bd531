-- Note which ticket is a player's, unless another one is, or a penalty runs.
-- KEYS: the player's ticket, the player's penalty      ARGV: value, ttl_ms
-- Answer: {1} = noted (now or before), {2, other value}, {3, ms of penalty left}
local noted = redis.call('GET', KEYS[1])
if noted == ARGV[1] then
  return {1}
end
if noted then
  return {2, noted}
end
local left = redis.call('PTTL', KEYS[2])
if left > 0 then
  return {3, left}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1}
