-- Where a ticket is.
-- KEYS: waiting, busy, ended, proposals, ready      ARGV: id
-- Answer: {stage letter, now_ms, ticket or match, proposal, who is ready}
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local ticket = redis.call('HGET', KEYS[1], ARGV[1])
if ticket then
  return {'w', now_ms, ticket}
end
local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then
  local at = string.find(held, '|', 1, true)
  local proposal = string.sub(held, 1, at - 1)
  return {'b', now_ms, string.sub(held, at + 1), redis.call('HGET', KEYS[4], proposal),
    redis.call('HGET', KEYS[5], proposal) or ''}
end
local over = redis.call('HGET', KEYS[3], ARGV[1])
if over then
  return {'e', now_ms, over}
end
return {'u', now_ms}
