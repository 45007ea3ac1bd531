-- Set or remove a ban, and say that something has changed.
-- KEYS: bans, version      ARGV: player, ban (empty: remove), most
-- 1: done, 0: there was none to remove, -1: there are too many
if ARGV[2] == '' then
  if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
  end
else
  if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
      and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
    return -1
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('INCRBY', KEYS[2], 1)
return 1
