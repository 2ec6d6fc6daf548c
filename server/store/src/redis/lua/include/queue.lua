-- The queue is stored in segments of this many seqs: a list of entries and a bitmap of cancelled seqs for each.
local SEGMENT = 4096

local function segment_of(seq)
    return math.floor((seq - 1) / SEGMENT)
end

-- The bit of a seq in its segment's bitmap.
local function bit_of(seq)
    return (seq - 1) % SEGMENT
end

-- Tickets behind the cursor without the cancelled ones.
local function queue_length(sale)
    return sale.last_seq - sale.cursor - (sale.cancelled_tickets - sale.cancelled_passed)
end

