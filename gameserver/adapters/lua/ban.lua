-- Set or remove a ban, and say that something has changed.
-- KEYS: bans, version      ARGV: player, ban (empty: remove), most, ban as it has to be (empty: any)
-- 1: done, 0: there is none, or another one than expected, -1: there are too many
local stored = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[4] ~= '' and stored ~= ARGV[4] then
  return 0
end
if ARGV[2] == '' then
  if not stored then
    return 0
  end
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  if not stored and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
    return -1
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('INCRBY', KEYS[2], 1)
return 1
