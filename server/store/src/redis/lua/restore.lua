#!lua
-- Restores lost tickets under their own names: puts their entries back in the places that were set aside for them.
--
-- KEYS  1 sale · 2 marker · 3 cancel tree · 4 segments with restored tickets · 5 claimed · 6 retries ·
--       7, 8 log of admitted buyers, page p and p + 1 · 9 adopted · then for each ticket: the buyers' bucket, and of its segment the
--       queue, the bitmap of cancelled seqs, the bitmap of restored seqs
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 p · 4 count of buckets that the keys were built for · then for each
--       ticket: epoch, seq, superseded seq or 0, units, the buyer's fingerprint, 4 bytes of the buyer's hash, entry
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}: nothing was done
--       {DONE, the queue's state, unit limit, for each ticket: 0 restored · above 0: the buyer has the ticket with this seq ·
--        below 0: a refusal of admit.lua · -100 it is not lost, has an order, or another ticket has its seq, or the queue has passed it
--        and the stock has no units for it}

--! include admitted_log
--! include cancel_tree
--! include clock
--! include codes
--! include ledger
--! include lost
--! include open_sale
--! include record
--! include announce

local RESTORED, NOT_LOST = 0, -100
local BYPASS, CLOSED, HELD, UNIT_LIMIT, SOLD_OUT = -1, -2, -4, -5, -6
local FIXED_KEYS, KEYS_PER_TICKET, FIXED_ARGS, ARGS_PER_TICKET = 9, 4, 4, 7

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local tickets = (#ARGV - FIXED_ARGS) / ARGS_PER_TICKET
local page, last_page = tonumber(ARGV[3]), page_of(sale.admitted_tickets + tickets)
if sale.buckets ~= tonumber(ARGV[4]) or page_of(sale.admitted_tickets + 1) < page or last_page > page + 1 then
    return queue_state(WRONG_KEYS, sale)
end

local now, past = now_millis(ARGV[1]), past_epochs(sale.past)
local refusal = nil -- of every ticket that could be restored
if sale.route == 1 then
    refusal = BYPASS
elseif sale.closed == 1 or (sale.closes_at and now >= sale.closes_at) then
    refusal = CLOSED
elseif sale.admission_held == 1 then
    refusal = HELD
end

local function read_ticket(i)
    local key, arg = FIXED_KEYS + KEYS_PER_TICKET * (i - 1), FIXED_ARGS + ARGS_PER_TICKET * (i - 1)
    return {
        bucket = KEYS[key + 1], queue = KEYS[key + 2], cancelled = KEYS[key + 3], restored = KEYS[key + 4],
        epoch = tonumber(ARGV[arg + 1]), seq = tonumber(ARGV[arg + 2]), superseded = tonumber(ARGV[arg + 3]),
        units = tonumber(ARGV[arg + 4]), fingerprint = ARGV[arg + 5], hash = ARGV[arg + 6], entry = ARGV[arg + 7],
    }
end

-- What happens to each ticket, before anything is written. `latest` and `taken` are what this run has decided so far.
local free, latest, taken = free_units(sale), {}, {}
local uncommitted = sale.stock and sale.stock - committed_units(sale) or math.huge
local function decide(ticket)
    local place = place_of(ticket.epoch, ticket.seq, sale.epoch, sale.last_seq, past)
    if place == AHEAD then
        return nil
    end
    local buyer = ticket.bucket .. ' ' .. ticket.fingerprint
    local known = latest[buyer]
    if not known then
        local stored = redis.call('HGET', ticket.bucket, ticket.fingerprint)
        known = stored and struct.unpack('>I' .. #stored, stored)
    end
    if known and known ~= ticket.superseded then
        return known
    end
    ticket.owner = past_epoch_of(past, ticket.seq)
    if place ~= LOST or not ticket.owner or ticket.owner.epoch ~= ticket.epoch or taken[ticket.seq]
        or redis.call('GETBIT', ticket.restored, bit_of(ticket.seq)) == 1 then
        return NOT_LOST
    elseif redis.call('HEXISTS', KEYS[9], digits(ticket.epoch) .. '/' .. digits(ticket.seq)) == 1 then
        return NOT_LOST -- it has an order
    end
    -- One that the queue has passed is claimed next, so the stock must have its units now.
    local is_passed = ticket.seq <= sale.cursor
    if is_passed and ticket.units > uncommitted then
        return NOT_LOST
    elseif refusal then
        return refusal
    elseif ticket.units > sale.unit_limit then
        return UNIT_LIMIT
    elseif ticket.units > free then
        return SOLD_OUT
    end
    free = free - ticket.units
    uncommitted = uncommitted - (is_passed and ticket.units or 0)
    latest[buyer], taken[ticket.seq] = ticket.seq, true
    return RESTORED
end

local reply, restored, hashes = queue_state(DONE, sale), {}, {}
reply[#reply + 1] = sale.unit_limit
for i = 1, tickets do
    local ticket = read_ticket(i)
    local result = decide(ticket)
    if not result then
        return { HISTORY_CHANGED }
    end
    reply[#reply + 1] = result
    if result == RESTORED then
        restored[#restored + 1] = ticket
        hashes[#hashes + 1] = ticket.hash
    end
end
if #restored == 0 then
    return reply
end

-- Fills a segment of the queue up that has no restored ticket yet: empty entries and bits for the seqs set aside.
local function fill_up(segment, ticket)
    if redis.call('ZADD', KEYS[4], segment, segment) == 0 then
        return
    end
    local first, last = segment * SEGMENT + 1, (segment + 1) * SEGMENT
    local first_lost = math.max(first, ticket.owner.last + 1)
    local holes = {}
    for i = 1, last - math.max(first_lost, sale.cursor + 1) + 1 do
        holes[i] = ''
    end
    for at = 1, #holes, 1000 do
        redis.call('RPUSH', ticket.queue, unpack(holes, at, math.min(at + 999, #holes)))
    end
    local bit = bit_of(first_lost)
    while bit % 8 > 0 do
        redis.call('SETBIT', ticket.cancelled, bit, 1)
        bit = bit + 1
    end
    if bit < SEGMENT then
        redis.call('SETRANGE', ticket.cancelled, bit / 8, string.rep('\255', (SEGMENT - bit) / 8))
    end
end

-- Puts a ticket back into the queue.
local function put_back(ticket)
    local segment = segment_of(ticket.seq)
    fill_up(segment, ticket)
    local first = math.max(segment * SEGMENT + 1, sale.cursor + 1)
    redis.call('LSET', ticket.queue, ticket.seq - first, ticket.entry)
    redis.call('SETBIT', ticket.cancelled, bit_of(ticket.seq), 0)
    return segment
end

local by_segment = {}
for _, ticket in ipairs(restored) do
    local word = digits(ticket.seq)
    if ticket.seq > sale.cursor then
        local segment = put_back(ticket)
        by_segment[segment] = (by_segment[segment] or 0) - 1
    else
        -- The queue has passed it: it is claimed next, like an attempt that failed.
        redis.call('HSET', KEYS[5], word, record_head('W', sale.fence, 0) .. ticket.entry)
        redis.call('ZADD', KEYS[6], digits(now), zset_member(ticket.seq))
        add_to(sale, 'retrying', 1, ticket.units)
        -- In a segment that was filled up it has the bit of an empty place, which the cursor has skipped.
        if redis.call('GETBIT', ticket.cancelled, bit_of(ticket.seq)) == 1 then
            local segment = segment_of(ticket.seq)
            redis.call('SETBIT', ticket.cancelled, bit_of(ticket.seq), 0)
            by_segment[segment] = (by_segment[segment] or 0) - 1
            sale.skipped = sale.skipped - 1
        end
    end
    redis.call('HSET', ticket.bucket, ticket.fingerprint, struct.pack(ticket.seq < 16777216 and '>I3' or '>I5', ticket.seq))
    redis.call('SETBIT', ticket.restored, bit_of(ticket.seq), 1)
    add_to(sale, 'admitted', 1, ticket.units)
    add_to(sale, 'waiting', 1, ticket.units)
end
count_cancelled(KEYS[3], by_segment)
log_buyers(table.concat(hashes), #restored, sale.admitted_tickets - #restored, page, KEYS[7], KEYS[8])
save_sale(KEYS[1], sale)
announce_work(ARGV[2])
return reply
