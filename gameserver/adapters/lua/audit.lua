-- Write down a call of an operator, and forget the oldest ones over the bound with all they said.
-- KEYS: calls, words      ARGV: call, words (empty: none), most
local id = redis.call('XADD', KEYS[1], '*', 'r', ARGV[1])
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[2], id, ARGV[2])
end
local over = redis.call('XLEN', KEYS[1]) - tonumber(ARGV[3])
if over > 0 then
  -- A bound that was lowered is reached little by little.
  over = math.min(over, 100)
  local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', over)
  for _, entry in ipairs(oldest) do
    redis.call('HDEL', KEYS[2], entry[1])
  end
  redis.call('XTRIM', KEYS[1], 'MAXLEN', redis.call('XLEN', KEYS[1]) - over)
end
return id
