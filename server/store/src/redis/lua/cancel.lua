#!lua flags=allow-oom
-- Cancels tickets that were never claimed. Their entries stay in the queue until the cursor passes them.
--
-- KEYS  1 sale · 2 marker · 3 cancel tree · then for each ticket, of its segment: the bitmap of cancelled
--       seqs, the bitmap of restored seqs, the queue
-- ARGV  1 sale id · then for each ticket: epoch, seq
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each ticket: 0 unknown · 1 cancelled · 2 cancelled before · 3 too late · 4 lost}

--! include codes
--! include open_sale
--! include ledger
--! include entry
--! include queue
--! include cancel_tree
--! include epochs
--! include reopened

local UNKNOWN, CANCELLED, ALREADY_CANCELLED, TOO_LATE, IS_LOST = 0, 1, 2, 3, 4
local FIXED_KEYS, FIXED_ARGS = 3, 1

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local free_before = free_units(sale)

-- An entry's index in its segment's list, which begins after the cursor.
local function index_of(seq)
    local first_of_segment = segment_of(seq) * SEGMENT + 1
    return seq - math.max(first_of_segment, sale.cursor + 1)
end

local past = past_epochs(sale.past)
local reply, cancelled, by_segment = { DONE }, {}, {}
for i = 1, (#ARGV - FIXED_ARGS) / 2 do
    local key = FIXED_KEYS + 3 * i
    local bitmap, restored, queue = KEYS[key - 2], KEYS[key - 1], KEYS[key]
    local epoch, seq = tonumber(ARGV[FIXED_ARGS + 2 * i - 1]), tonumber(ARGV[FIXED_ARGS + 2 * i])
    local place, is_owned = place_of(epoch, seq, sale.epoch, sale.last_seq, past)
    local result
    if place == AHEAD then
        return { HISTORY_CHANGED } -- nothing has been written yet
    elseif place == FOREIGN then
        result = UNKNOWN
    elseif place == LOST and not (is_owned and redis.call('GETBIT', restored, bit_of(seq)) == 1) then
        result = IS_LOST
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
    count_cancelled(KEYS[3], by_segment)
    save_sale(KEYS[1], sale)
    announce_if_reopened(sale, free_before, ARGV[1])
    -- If the stock may block the queue, since it has fewer units left than one ticket may have, another ticket may come
    -- first now.
    local uncommitted = sale.stock and sale.stock - committed_units(sale) or 0
    if uncommitted > 0 and uncommitted < sale.unit_limit and queue_length(sale) > 0 then
        announce_work(ARGV[1])
    end
end
return reply
