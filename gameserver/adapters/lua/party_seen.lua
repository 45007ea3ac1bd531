-- Parties and notes of their players live on; no life is shortened.
-- KEYS: any of them      ARGV: away_ms
for _, key in ipairs(KEYS) do
  if redis.call('PTTL', key) < tonumber(ARGV[1]) then
    redis.call('PEXPIRE', key, ARGV[1])
  end
end
return #KEYS
