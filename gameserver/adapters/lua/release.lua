-- Give a lease up at once, if its fence is still the newest. Without an owner it stays given up: a
-- renewal or a commit that was sent before and arrives late does not bring it back.
-- KEYS: state, lease      ARGV: fence
if redis.call('HGET', KEYS[1], 'fence') == ARGV[1] then
  redis.call('DEL', KEYS[2])
  redis.call('HDEL', KEYS[1], 'owner')
end
return 1
