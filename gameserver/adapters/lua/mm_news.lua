-- What has happened in a queue after a cursor; forgets what was before it, and old ends of tickets.
-- KEYS: changes, ended, ends, owner, vacancies      ARGV: fence, cursor, count, ends to forget
-- Answer: nil = fenced, else {now_ms, 1 if changes after the cursor were dropped, entries,
--         vacancies}
if redis.call('HGET', KEYS[4], 'fence') ~= ARGV[1] then
  return false
end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms, 'LIMIT', 0, ARGV[4])
if #old > 0 then
  redis.call('HDEL', KEYS[2], unpack(old))
  redis.call('ZREM', KEYS[3], unpack(old))
end
local entries = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
local lost = 0
if ARGV[2] ~= '0-0' and (not entries[1] or entries[1][1] ~= ARGV[2]) then
  lost = 1
end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
return {now_ms, lost, entries, redis.call('HGETALL', KEYS[5])}
