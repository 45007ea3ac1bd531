-- Take what waits for players.
-- KEYS: for each: letters
-- Answer: for each the letters that have not run out
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for number, key in ipairs(KEYS) do
  local waiting, letters = redis.call('GET', key), {}
  if waiting then
    redis.call('DEL', key)
    for _, each in ipairs(cmsgpack.unpack(waiting)) do
      if each[1] > now_ms then
        letters[#letters + 1] = each[2]
      end
    end
  end
  found[number] = letters
end
return found
