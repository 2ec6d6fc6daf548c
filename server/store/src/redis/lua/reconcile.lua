#!lua flags=allow-oom
-- Compares orders of the order system with their tickets. With a repair it settles the tickets whose outcome the store has
-- forgotten, without a lease, and counts those that it has forgotten entirely.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 retries · 5 dead · 6 reasons · 7 cancel tree · 8 adopted ·
--       9, 10 log of admitted buyers, page p and p + 1 · then for each order: the buyer's bucket, and of its ticket's
--       segment the queue, the bitmap of cancelled seqs, the bitmap of restored seqs, the outcomes of its ticket's bucket
-- ARGV  1 sale id · 2 1 to repair, 0 to compare only · 3 p · 4 count of buckets that the keys were built for · 5, 6 the
--       latest epoch and last seq that the caller has seen · then for each order: epoch, seq, units, the buyer's
--       fingerprint, 4 bytes of the buyer's hash, the buyer, its state (O ordered, L released) and the order id
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}: nothing was done
--       {DONE, the queue's state, for each order: above 0 the state that its ticket had (look_up.lua), and is repaired ·
--        0 foreign · -1 same · -2 pending · -3 another order · -4 another buyer or other units · -5 released in the queue
--        only · -6 cancelled or expired, without a rise of the epoch since · -7 ahead of the queue: nothing is done about
--        it · -8 repeated · -9 unreadable}

--! include admitted_log
--! include cancel_tree
--! include codes
--! include dead
--! include entry
--! include epochs
--! include open_sale
--! include outcome
--! include queue
--! include record
--! include units_returned

local IS_FOREIGN, SAME, PENDING, OTHER_ORDER, OTHER_BUYER, RELEASED_ONLY_HERE = 0, -1, -2, -3, -4, -5
local ENDED_HERE, IS_AHEAD, REPEATED, UNREADABLE = -6, -7, -8, -9
local WAITING, ORDERED, CANCELLED, REJECTED, EXPIRED, DEAD, IS_LOST = 1, 3, 5, 6, 7, 8, 9
local PARTS = {
    [WAITING] = 'waiting', [ORDERED] = 'ordered', [CANCELLED] = 'cancelled', [REJECTED] = 'rejected',
    [EXPIRED] = 'expired', [DEAD] = 'dead',
}
local FIXED_KEYS, KEYS_PER_ORDER, FIXED_ARGS, ARGS_PER_ORDER = 10, 5, 6, 7

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
if has_gone_back(sale.epoch, sale.last_seq, ARGV[5], ARGV[6]) then
    return { HISTORY_CHANGED }
end
local orders = (#ARGV - FIXED_ARGS) / ARGS_PER_ORDER
local repair, page = ARGV[2] == '1', tonumber(ARGV[3])
local last_page = page_of(sale.admitted_tickets + orders)
if sale.buckets ~= tonumber(ARGV[4]) or page_of(sale.admitted_tickets + 1) < page or last_page > page + 1 then
    return queue_state(WRONG_KEYS, sale)
end
local free_before, past = free_units(sale), past_epochs(sale.past)

local function read_order(i)
    local key, arg = FIXED_KEYS + KEYS_PER_ORDER * (i - 1), FIXED_ARGS + ARGS_PER_ORDER * (i - 1)
    local word = ARGV[arg + 2]
    return {
        bucket = KEYS[key + 1], queue = KEYS[key + 2], cancelled = KEYS[key + 3], restored = KEYS[key + 4], outcomes = KEYS[key + 5],
        epoch = tonumber(ARGV[arg + 1]), seq = tonumber(word), word = word, name = ARGV[arg + 1] .. '/' .. word,
        units = tonumber(ARGV[arg + 3]), fingerprint = ARGV[arg + 4], hash = ARGV[arg + 5], buyer = ARGV[arg + 6],
        state = string.sub(ARGV[arg + 7], 1, 1), id = string.sub(ARGV[arg + 7], 2),
    }
end

-- An order beside the outcome that the store has for its ticket.
local function compare(order, outcome)
    local state, units, text = decode_outcome(outcome)
    if not state then
        return UNREADABLE
    elseif units ~= order.units then
        return OTHER_BUYER
    elseif state ~= 'J' and text ~= order.id then
        return OTHER_ORDER
    elseif state == 'O' and order.state == 'L' then
        return ORDERED
    elseif state == 'J' and order.state == 'O' then
        return REJECTED
    elseif state == 'L' and order.state == 'O' then
        return RELEASED_ONLY_HERE
    end
    return SAME
end

-- A ticket with an entry: in the queue, waiting for a retry, or dead.
local function compare_entry(order, text, start, was)
    local units = text and units_of(text, start)
    if not units then
        return UNREADABLE
    elseif units ~= order.units or buyer_of(text, start) ~= order.buyer then
        return OTHER_BUYER
    end
    return was
end

local function compare_waiting(order)
    local first = math.max(segment_of(order.seq) * SEGMENT + 1, sale.cursor + 1)
    local entry = redis.call('LINDEX', order.queue, order.seq - first)
    local result = compare_entry(order, entry, 1, sale.closed == 1 and EXPIRED or WAITING)
    if result > 0 and sale.rises == 0 then
        return sale.closed == 1 and ENDED_HERE or PENDING
    end
    order.in_queue = true
    return result
end

local function compare_claimed(order)
    local record = redis.call('HGET', KEYS[3], order.word)
    if not record then
        return PENDING -- in a block (include/block.lua)
    end
    local state, _, _, start = decode_record(record)
    if state == 'P' then
        return PENDING
    elseif state == 'W' then
        order.retries = true
        return compare_entry(order, record, start, WAITING)
    elseif state == 'D' then
        return compare_entry(order, record, start, DEAD)
    end
    return UNREADABLE
end

-- The seq of the latest ticket of an order's buyer, 0 for none.
local function latest_of(order)
    local stored = redis.call('HGET', order.bucket, order.fingerprint)
    return stored and struct.unpack('>I' .. #stored, stored) or 0
end

-- A cancelled ticket has neither buyer nor units left: the order must be a buyer's who had it, and the ledger must have
-- its units beside those of earlier orders of this run, and of the other cancelled tickets, which have one at least.
-- Without a rise of the epoch, claims and positions count on the cancelled seqs of the ledger.
local cancelled_tickets, cancelled_units = sale.cancelled_tickets, sale.cancelled_units
local function compare_cancelled(order)
    if sale.rises == 0 then
        return ENDED_HERE
    end
    local tickets, units = cancelled_tickets - 1, cancelled_units - order.units
    if latest_of(order) < order.seq or tickets < 0 or units < tickets or (tickets == 0 and units > 0) then
        return OTHER_BUYER
    end
    cancelled_tickets, cancelled_units = tickets, units
    return CANCELLED
end

local seen = {}
local function find(order)
    if seen[order.name] then
        return REPEATED
    end
    seen[order.name] = true
    local place = place_of(order.epoch, order.seq, sale.epoch, sale.last_seq, past)
    if place == FOREIGN then
        return IS_FOREIGN
    elseif place == AHEAD then
        return IS_AHEAD
    end
    local owner = past_epoch_of(past, order.seq)
    order.is_owned = (owner and owner.epoch or sale.epoch) == order.epoch
    if place == LOST and not (order.is_owned and redis.call('GETBIT', order.restored, bit_of(order.seq)) == 1) then
        order.is_adopted = true
        local adopted = redis.call('HGET', KEYS[8], order.name)
        return adopted and compare(order, adopted) or IS_LOST
    end
    local outcome = redis.call('HGET', order.outcomes, order.word)
    if outcome then
        local result = compare(order, outcome)
        return result == REJECTED and latest_of(order) < order.seq and OTHER_BUYER or result
    elseif redis.call('GETBIT', order.cancelled, bit_of(order.seq)) == 1 then
        return compare_cancelled(order)
    elseif order.seq > sale.cursor then
        return compare_waiting(order)
    end
    return compare_claimed(order)
end

-- Removes a ticket from where it waits, and marks its place in the queue as empty.
local by_segment, dead, changed, hashes = {}, {}, false, {}
local function take(order, was)
    if order.in_queue then
        local segment = segment_of(order.seq)
        redis.call('SETBIT', order.cancelled, bit_of(order.seq), 1)
        by_segment[segment] = (by_segment[segment] or 0) + 1
    elseif was == DEAD then
        dead[#dead + 1] = { word = order.word }
        redis.call('HDEL', KEYS[3], order.word)
    elseif order.retries then
        redis.call('HDEL', KEYS[3], order.word)
        redis.call('ZREM', KEYS[4], zset_member(order.seq))
        add_to(sale, 'retrying', -1, -order.units)
    end
end

-- A ticket that the store has forgotten entirely: it is its buyer's, unless the buyer has a later one.
local function adopt(order)
    if order.is_owned and latest_of(order) < order.seq then
        redis.call('HSET', order.bucket, order.fingerprint, struct.pack(order.seq < 16777216 and '>I3' or '>I5', order.seq))
    end
    hashes[#hashes + 1] = order.hash
    add_to(sale, 'admitted', 1, order.units)
end

local function settle(order, was)
    take(order, was)
    if PARTS[was] then
        add_to(sale, PARTS[was], -1, -order.units)
    else
        adopt(order)
    end
    add_to(sale, order.state == 'O' and 'ordered' or 'released', 1, order.units)
    add_to(sale, 'reconciled', 1, order.units)
    local outcome = encode_outcome(order.state, order.units, order.id)
    if order.is_adopted then
        redis.call('HSET', KEYS[8], order.name, outcome)
    else
        redis.call('HSET', order.outcomes, order.word, outcome)
    end
    changed = true
end

local reply, found = queue_state(DONE, sale), {}
for i = 1, orders do
    local order = read_order(i)
    local result = find(order)
    found[i] = { order, result }
    reply[#reply + 1] = result
end
if repair then
    for _, pair in ipairs(found) do
        if pair[2] > 0 then
            settle(pair[1], pair[2])
        end
    end
end
if changed then
    if #dead > 0 then
        remove_dead(dead, KEYS[5], KEYS[6])
    end
    count_cancelled(KEYS[7], by_segment)
    if #hashes > 0 then
        log_buyers(table.concat(hashes), #hashes, sale.admitted_tickets - #hashes, page, KEYS[9], KEYS[10])
    end
    save_sale(KEYS[1], sale)
    announce_units_returned(sale, free_before, ARGV[1])
end
return reply
