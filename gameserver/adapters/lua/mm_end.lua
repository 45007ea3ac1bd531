-- End tickets that wait or are unknown: what enqueues them later comes to nothing.
-- KEYS: waiting, busy, ended, ends, changes, owner
-- ARGV: fence ('' = anybody), how they end, keep_ms, then ids
-- Answer: nil = fenced, else for each id how it stands: 'w' would be impossible, 'b' = busy, else
-- how it has ended
local waiting, busy, ended, ends, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if ARGV[1] ~= '' and redis.call('HGET', KEYS[6], 'fence') ~= ARGV[1] then
  return false
end
local now = redis.call('TIME')
local until_ms = now[1] * 1000 + math.floor(now[2] / 1000) + tonumber(ARGV[3])
local answers = {}
for n = 4, #ARGV do
  local id = ARGV[n]
  local over = redis.call('HGET', ended, id)
  if redis.call('HEXISTS', busy, id) == 1 then
    answers[#answers + 1] = 'b'
  elseif over then
    answers[#answers + 1] = over
  else
    if redis.call('HDEL', waiting, id) == 1 then
      redis.call('XADD', changes, 'MAXLEN', '~', 100000, '*', '-', id)
    end
    redis.call('HSET', ended, id, ARGV[2])
    redis.call('ZADD', ends, until_ms, id)
    answers[#answers + 1] = ARGV[2]
  end
end
return answers
