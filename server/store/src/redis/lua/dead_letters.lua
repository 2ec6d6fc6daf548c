#!lua flags=no-writes
-- Lists dead tickets by seq.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 dead · 5 reasons
-- ARGV  1 the seq to start after · 2 max tickets
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, epoch, past epochs, for each ticket: seq, attempts, entry, reason}

--! include codes
--! include open_sale
--! include record

local sale, unusable = open_sale(KEYS[1], KEYS[2], false)
if unusable then
    return unusable
end
local reply = { DONE, sale.epoch, sale.past }
local members = redis.call('ZRANGE', KEYS[4], '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
if #members == 0 then
    return reply
end
local seqs = {}
for i, member in ipairs(members) do
    seqs[i] = tonumber(member)
end
local records = redis.call('HMGET', KEYS[3], unpack(seqs))
local reasons = redis.call('HMGET', KEYS[5], unpack(seqs))
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
