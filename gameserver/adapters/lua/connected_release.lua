-- Sessions are over; where another one is there, it stays.
-- KEYS: for each: entry      ARGV: for each: session
for number, entry in ipairs(KEYS) do
  local stored = redis.call('GET', entry)
  if stored and cmsgpack.unpack(stored)[1] == ARGV[number] then
    redis.call('DEL', entry)
  end
end
return 1
