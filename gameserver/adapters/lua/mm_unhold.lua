-- The ticket is a player's no more; another one stays.
-- KEYS: the player's ticket      ARGV: value
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
