--! include codes
--! include epochs
--! include queue

-- The seqs that are set aside when an epoch ends are holes in the queue until their tickets are restored. A segment of
-- the queue in which one was restored is filled up: its list has empty entries for the other holes, its bitmap has
-- their bits. Segments without restored tickets have no keys.

-- Whether holders of lost tickets come before other buyers.
local function is_restoring(sale, now)
    return sale.restoring_until ~= nil and now < sale.restoring_until
end

-- Whether the seq behind the cursor is one that was set aside.
local function is_at_lost_seqs(sale, past)
    local epoch = past_epoch_of(past, sale.cursor + 1)
    return epoch ~= nil and sale.cursor >= epoch.last
end

-- Whether the cursor is where nothing can be claimed before the time to restore has passed. The epoch may have risen
-- again since the loss, so every stretch that was set aside counts.
local function waits_for_restores(sale, past, now)
    return is_restoring(sale, now) and is_at_lost_seqs(sale, past)
end

local function skip_to(sale, seq)
    sale.skipped = sale.skipped + seq - sale.cursor
    sale.cursor = seq
end

-- Moves the cursor over seqs that were set aside, up to the next segment with a restored ticket. Returns the last seq up
-- to which the queue has entries without a gap.
local function cross_lost_seqs(sale, past, now, restored_segments)
    local restoring = is_restoring(sale, now)
    for _, epoch in ipairs(past) do
        if sale.cursor + 1 < epoch.next_first then
            local last_segment = segment_of(epoch.next_first - 1)
            if restoring then
                return math.max(sale.cursor, epoch.last)
            elseif sale.cursor < epoch.last then
                local segment = segment_of(epoch.last)
                return redis.call('ZSCORE', restored_segments, segment) and (segment + 1) * SEGMENT or epoch.last
            end
            local first_segment = segment_of(sale.cursor + 1)
            local found = redis.call('ZRANGE', restored_segments, first_segment, last_segment, 'BYSCORE', 'LIMIT', 0, 1)
            if found[1] then
                local segment = tonumber(found[1])
                skip_to(sale, math.max(sale.cursor, segment * SEGMENT))
                return (segment + 1) * SEGMENT
            end
            skip_to(sale, epoch.next_first - 1)
        end
    end
    return sale.last_seq
end

-- How many seqs below `seq`, which waits in the queue, were set aside and count in neither the bitmap of its segment nor
-- the tree of cancelled seqs. Restored tickets are negative cancellations in that tree.
local function lost_below(past, seq)
    local lost = 0
    for _, epoch in ipairs(past) do
        if seq >= epoch.next_first then
            lost = lost + epoch.next_first - 1 - epoch.last
        elseif seq > epoch.last then
            lost = lost + math.max(segment_of(seq) * SEGMENT - epoch.last, 0)
        end
    end
    return lost
end
