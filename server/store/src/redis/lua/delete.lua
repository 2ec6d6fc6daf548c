#!lua flags=allow-oom
-- Deletes a closed sale. A tombstone determines which of its keys are left until the caller has removed them with
-- sweep.lua; no sale of this name can be created before.
--
-- KEYS  1 sale · 2 marker · 3 tombstone · 4 segments with restored tickets
-- ARGV  none
-- Reply {HISTORY_CHANGED}
--       {DONE, 0}: nothing is left · {DONE, 1}: not closed · {DONE, 2, tickets}: so many are in flight, to be retried or dead ·
--       {DONE, 3, epoch, buckets, admitted buyers, for each epoch: first seq, last seq}: deleted, keys to be swept

--! include codes
--! include epochs
--! include open_sale
--! include queue

local NOTHING_LEFT, NOT_CLOSED, BUSY, TO_SWEEP = 0, 1, 2, 3

-- The first and last seq of each epoch with tickets that have keys.
local function seqs_with_keys(sale, restored_segments)
    local seqs, first = {}, 1
    for _, epoch in ipairs(past_epochs(sale.past)) do
        local last_segment = segment_of(epoch.next_first - 1)
        local restored = redis.call('ZRANGE', restored_segments, last_segment, segment_of(first), 'BYSCORE', 'REV', 'LIMIT', 0, 1)
        local last = restored[1] and (tonumber(restored[1]) + 1) * SEGMENT or 0
        seqs[#seqs + 1], seqs[#seqs + 2] = first, math.max(epoch.last, last, first)
        first = epoch.next_first
    end
    seqs[#seqs + 1], seqs[#seqs + 2] = first, math.max(sale.last_seq, first)
    return seqs
end

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if sale.epoch then
    if unusable then
        return unusable
    elseif sale.closed ~= 1 then
        return { DONE, NOT_CLOSED }
    end
    local busy = sale.in_flight_tickets + sale.retrying_tickets + sale.dead_tickets
    if busy > 0 then
        return { DONE, BUSY, busy }
    end
    local words = { digits(sale.epoch), digits(sale.buckets), digits(sale.admitted_tickets) }
    for _, seq in ipairs(seqs_with_keys(sale, KEYS[4])) do
        words[#words + 1] = digits(seq)
    end
    redis.call('SET', KEYS[3], table.concat(words, ' '))
    redis.call('DEL', KEYS[1])
end
local reply = { DONE, TO_SWEEP }
for number in string.gmatch(redis.call('GET', KEYS[3]) or '', '%d+') do
    reply[#reply + 1] = tonumber(number)
end
if #reply == 2 then
    return { DONE, NOTHING_LEFT }
end
return reply
