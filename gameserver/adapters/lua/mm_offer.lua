-- A running match has seats for matchmaking, for a while.
-- KEYS: vacancies      ARGV: match, vacancy, ttl_ms, vacancies_max
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
local now = redis.call('TIME')
local until_ms = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f|', until_ms) .. ARGV[2])
return 1
