-- Claim that sessions are their players'; each by itself, in their order.
-- KEYS: for each: entry, letters      ARGV: ttl_ms, then for each: value, how, instead_of
-- Answer: for each {1 = won or 0, the other session's value or '', 1 = letters wait or 0}
-- A value is [session, client, since_ms, …] as msgpack.
local answers = {}
for number = 1, #KEYS / 2 do
  local entry, letters = KEYS[2 * number - 1], KEYS[2 * number]
  local value, how, instead = ARGV[3 * number - 1], ARGV[3 * number], ARGV[3 * number + 1]
  local stored, won = redis.call('GET', entry), true
  if stored then
    local own, other = cmsgpack.unpack(value), cmsgpack.unpack(stored)
    if own[1] == other[1] then
      stored = false
    elseif how == 'later' then
      won = own[3] > other[3]
    elseif how == 'free' then
      won = other[1] == instead or (own[2] ~= '' and own[2] == other[2])
    end
  end
  if won then
    redis.call('SET', entry, value, 'PX', ARGV[1])
  end
  answers[number] = {won and 1 or 0, stored or '', redis.call('EXISTS', letters)}
end
return answers
