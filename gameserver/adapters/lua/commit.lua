-- Check fence and version, then write checkpoint and outbox together; for each match by itself.
-- KEYS: for each match: state, lease, outbox
-- ARGV: lease_ttl_ms, then for each match: fence, version, checkpoint, trim_seq, count,
--       then count times: seq, record
-- Answer: for each match 1 = committed (now or before), 2 = fenced, 3 = conflict
local outcomes = {}
local at = 2
for first = 1, #KEYS, 3 do
  local state, lease, outbox = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  local head, records = at, at + 5
  local fence, version = tonumber(ARGV[head]), tonumber(ARGV[head + 1])
  local checkpoint, trim_seq = ARGV[head + 2], tonumber(ARGV[head + 3])
  at = records + 2 * tonumber(ARGV[head + 4])
  local stored = redis.call('HMGET', state, 'fence', 'version', 'owner', 'seq')
  local stored_fence = tonumber(stored[1] or '-1')
  local stored_version = tonumber(stored[2] or '0')
  local outcome = 1
  if stored_fence > fence then
    outcome = 2
  elseif stored_fence < fence then
    outcome = 3 -- The store lost our acquisition: it was emptied, or an older copy took over.
  elseif stored_version + 1 == version and not stored[3] then
    outcome = 2
  elseif stored_version + 1 == version then
    local seq = tonumber(stored[4] or '0')
    for record = records, at - 2, 2 do
      local number = tonumber(ARGV[record])
      if number > seq then
        redis.call('XADD', outbox, ARGV[record] .. '-0', 'r', ARGV[record + 1])
        seq = number
      end
    end
    redis.call('HSET', state, 'version', ARGV[head + 1], 'checkpoint', checkpoint,
      'seq', string.format('%.0f', seq))
    if trim_seq > 0 then
      redis.call('XTRIM', outbox, 'MINID', string.format('%.0f-0', trim_seq + 1))
    end
  elseif stored_version ~= version then
    outcome = 3
  end
  if outcome == 1 and stored[3] then -- Without an owner the lease was given up: a late repetition.
    redis.call('SET', lease, stored[3], 'PX', ARGV[1])
  end
  outcomes[#outcomes + 1] = outcome
end
return outcomes
