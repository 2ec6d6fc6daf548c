-- The queue is stored in segments of this many seqs: a list of entries and a bitmap of cancelled seqs for each.
local SEGMENT = 4096

local function segment_of(seq)
    return math.floor((seq - 1) / SEGMENT)
end

-- The bit of a seq in its segment's bitmap.
local function bit_of(seq)
    return (seq - 1) % SEGMENT
end

-- Tickets in the queue. A closed sale has none: they have expired.
local function queue_length(sale)
    return sale.waiting_tickets - sale.retrying_tickets
end

-- The holes of a queue: above 0 if seqs behind the cursor may be without a ticket that waits. Rises of the epoch count as
-- more than all cancelled seqs; key_hints.rs has the same constant.
local RISE = 8589934592

local function holes_of(cancelled_tickets, rises)
    return cancelled_tickets + rises * RISE
end

-- What a reply of a script whose keys depend on the queue's state begins with.
local function queue_state(code, sale)
    local holes = holes_of(sale.cancelled_tickets, sale.rises)
    return { code, sale.epoch, sale.buckets, sale.last_seq, sale.cursor, holes, sale.admitted_tickets }
end
