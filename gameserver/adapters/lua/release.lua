-- Give a lease up at once, if its fence is still the newest.
-- KEYS: state, lease      ARGV: fence
if redis.call('HGET', KEYS[1], 'fence') == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
return 1
