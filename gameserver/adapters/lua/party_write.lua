-- Put a party in the place of the one that it was made from, and the notes of its players with it.
-- KEYS: party, then notes of who comes in, notes of who leaves, lists of who is invited, lists of
--       who is so no more
-- ARGV: stamp before ('' = there is none), stamp after ('' = remove it), party, its id, away_ms,
--       now_ms, invites_max, counts of the four groups, then until_ms of each who is invited
-- Answer: 1 = written (now or before), 2 = it is another one, 3 = who comes in is in another party,
--         4 = who is invited has invites_max already
local party, after, id, away_ms = KEYS[1], ARGV[2], ARGV[4], ARGV[5]
local coming, leaving, asked, unasked =
  tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local stored = redis.call('HGET', party, 'stamp') or ''
if after ~= '' and stored == after then
  return 1
end
if stored ~= ARGV[1] then
  return 2
end
for n = 2, 1 + coming do
  local noted = redis.call('GET', KEYS[n])
  if noted and noted ~= id then
    return 3
  end
end
local first = 1 + coming + leaving
for n = first + 1, first + asked do
  local open = redis.call('ZRANGEBYSCORE', KEYS[n], '(' .. ARGV[6], '+inf')
  local others = 0
  for _, each in ipairs(open) do
    if each ~= id then
      others = others + 1
    end
  end
  if others >= tonumber(ARGV[7]) then
    return 4
  end
end
if after == '' then
  redis.call('DEL', party)
else
  redis.call('HSET', party, 'stamp', after, 'party', ARGV[3])
  if redis.call('PTTL', party) < tonumber(away_ms) then
    redis.call('PEXPIRE', party, away_ms)
  end
end
for n = 2, 1 + coming do
  redis.call('SET', KEYS[n], id, 'PX', away_ms)
end
for n = 2 + coming, first do
  if redis.call('GET', KEYS[n]) == id then
    redis.call('DEL', KEYS[n])
  end
end
for n = 1, asked do
  local key, until_ms = KEYS[first + n], ARGV[11 + n]
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[6])) do
    redis.call('ZREM', key, over)
  end
  redis.call('ZADD', key, until_ms, id)
  local left_ms = tonumber(until_ms) - tonumber(ARGV[6])
  if redis.call('PTTL', key) < left_ms then
    redis.call('PEXPIRE', key, left_ms)
  end
end
for n = first + asked + 1, first + asked + unasked do
  redis.call('ZREM', KEYS[n], id)
end
return 1
