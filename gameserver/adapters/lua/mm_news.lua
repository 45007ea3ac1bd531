-- What has happened in a queue after a cursor, which is the id of an entry; forgets what was before
-- it, old ends of tickets, and vacancies that nobody repeats.
-- KEYS: changes, ended, ends, owner, vacancies
-- ARGV: fence, cursor, count, ends to forget, 1 = with vacancies
-- Answer: nil = fenced, else {now_ms, 1 = the cursor's entry is gone, so changes are lost, entries,
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
if not entries[1] or entries[1][1] ~= ARGV[2] then
  lost = 1
end
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
local vacancies = {}
if ARGV[5] == '1' then
  local stored = redis.call('HGETALL', KEYS[5])
  for n = 1, #stored, 2 do
    local at = string.find(stored[n + 1], '|', 1, true)
    if tonumber(string.sub(stored[n + 1], 1, at - 1)) > now_ms then
      vacancies[#vacancies + 1] = string.sub(stored[n + 1], at + 1)
    else
      redis.call('HDEL', KEYS[5], stored[n])
    end
  end
end
return {now_ms, lost, entries, vacancies}
