#!lua flags=no-writes
-- Lists dead tickets by seq.
--
-- KEYS  1 sale · 2 claimed · 3 dead · 4 reasons
-- ARGV  1 the seq to start after · 2 max tickets
-- Reply {NO_SALE}
--       {DONE, for each ticket: seq, attempts, entry, reason}

--! include codes
--! include record

if redis.call('EXISTS', KEYS[1]) == 0 then
    return { NO_SALE }
end
local members = redis.call('ZRANGE', KEYS[3], '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
if #members == 0 then
    return { DONE }
end
local seqs = {}
for i, member in ipairs(members) do
    seqs[i] = tonumber(member)
end
local records = redis.call('HMGET', KEYS[2], unpack(seqs))
local reasons = redis.call('HMGET', KEYS[4], unpack(seqs))
local reply = { DONE }
for i, seq in ipairs(seqs) do
    local state, _, attempt, start = decode_record(records[i] or '')
    if state ~= 'D' or not reasons[i] then
        return corrupt('ticket ' .. digits(seq) .. ' is listed as dead and has no record of it')
    end
    local size = #reply
    reply[size + 1] = seq
    reply[size + 2] = attempt
    reply[size + 3] = string.sub(records[i], start)
    reply[size + 4] = reasons[i]
end
return reply
