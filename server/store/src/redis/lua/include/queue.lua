-- The line is kept in segments of this many numbers: a list of entries and a bitmap of cancelled numbers for each.
local SEGMENT = 4096

local function segment_of(seq)
    return math.floor((seq - 1) / SEGMENT)
end

-- The bit of a number in its segment's bitmap.
local function bit_of(seq)
    return (seq - 1) % SEGMENT
end

-- Tickets behind the cursor, cancelled ones not counted.
local function queue_length(sale)
    return sale.last_seq - sale.cursor - (sale.cancelled_tickets - sale.cancelled_passed)
end

