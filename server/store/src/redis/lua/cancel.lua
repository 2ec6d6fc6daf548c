#!lua flags=allow-oom
-- Cancels tickets that were never claimed. Their entries stay in the queue until the cursor passes them.
--
-- KEYS  1 sale · 2 cancel tree · then for each ticket: the bitmap and the queue of its segment
-- ARGV  1 sale id · 2 … the tickets' seqs
-- Reply {NO_SALE}
--       {DONE, for each ticket: 0 unknown · 1 cancelled · 2 cancelled before · 3 too late}

--! include codes
--! include ledger
--! include entry
--! include queue
--! include cancel_tree
--! include reopened

local UNKNOWN, CANCELLED, ALREADY_CANCELLED, TOO_LATE = 0, 1, 2, 3

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local free_before = free_units(sale)

-- An entry's index in its segment's list, which begins after the cursor.
local function index_of(seq)
    local first_of_segment = segment_of(seq) * SEGMENT + 1
    return seq - math.max(first_of_segment, sale.cursor + 1)
end

local reply, cancelled, by_segment = { DONE }, {}, {}
for i = 1, #ARGV - 1 do
    local seq, bitmap, queue = tonumber(ARGV[1 + i]), KEYS[1 + 2 * i], KEYS[2 + 2 * i]
    local result
    if seq < 1 or seq > sale.last_seq then
        result = UNKNOWN
    elseif cancelled[seq] or redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then
        result = ALREADY_CANCELLED
    elseif seq <= sale.cursor or sale.closed == 1 then
        result = TOO_LATE
    else
        local entry = redis.call('LINDEX', queue, index_of(seq))
        local units = entry and units_of(entry)
        if not units then
            return corrupt('ticket ' .. digits(seq) .. ' waits and has no entry')
        end
        transfer(sale, 'waiting', 'cancelled', 1, units)
        cancelled[seq] = bitmap
        by_segment[segment_of(seq)] = (by_segment[segment_of(seq)] or 0) + 1
        result = CANCELLED
    end
    reply[1 + i] = result
end

if next(cancelled) then
    for seq, bitmap in pairs(cancelled) do
        redis.call('SETBIT', bitmap, bit_of(seq), 1)
    end
    count_cancelled(KEYS[2], by_segment)
    save_sale(KEYS[1], sale)
    announce_if_reopened(sale, free_before, ARGV[1])
end
return reply
