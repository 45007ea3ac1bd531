-- Prolong leases; one that ran out but was taken by nobody too, for its fence is still the newest.
-- One that was given up has no owner any more, and is not prolonged.
-- KEYS: for each match: state, lease      ARGV: lease_ttl_ms, then for each match: fence
-- Answer: for each match 1 or 0
local renewed = {}
for number = 1, #KEYS / 2 do
  local state, lease = KEYS[2 * number - 1], KEYS[2 * number]
  local stored = redis.call('HMGET', state, 'fence', 'owner', 'forgotten')
  if stored[1] == ARGV[number + 1] and stored[2] and not stored[3] then
    redis.call('SET', lease, stored[2], 'PX', ARGV[1])
    renewed[number] = 1
  else
    renewed[number] = 0
  end
end
return renewed
