-- Where a player is connected; if nowhere, let a letter wait.
-- KEYS: entry, letters      ARGV: gone (a session that does not count), letter, keep_ms, most
-- Answer: the session's value, or nil
-- Letters are [[until_ms, letter], …] as msgpack.
local stored = redis.call('GET', KEYS[1])
if stored and cmsgpack.unpack(stored)[1] ~= ARGV[1] then
  return stored
end
local keep_ms = tonumber(ARGV[3])
if keep_ms > 0 then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local last_ms, kept = now_ms + keep_ms, {}
  local waiting = redis.call('GET', KEYS[2])
  for _, each in ipairs(waiting and cmsgpack.unpack(waiting) or {}) do
    if each[1] > now_ms then
      kept[#kept + 1] = each
      last_ms = math.max(last_ms, each[1])
    end
  end
  kept[#kept + 1] = {now_ms + keep_ms, ARGV[2]}
  while #kept > tonumber(ARGV[4]) do
    table.remove(kept, 1)
  end
  redis.call('SET', KEYS[2], cmsgpack.pack(kept), 'PX', last_ms - now_ms)
end
return false
