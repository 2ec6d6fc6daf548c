--! include entry
--! include ledger
--! include lost
--! include queue
--! include pace

-- Whether a claim would advance the cursor: over lost seqs, a cancelled ticket, or one that the stock has the units for.
-- The keys are those of the segment behind the cursor.
local function can_advance(sale, past, queue, bitmap)
    if sale.closed == 1 or queue_length(sale) == 0 then
        return false
    elseif not sale.stock then
        return true
    end
    local entry = redis.call('LINDEX', queue, 0)
    if is_at_lost_seqs(sale, past) and (entry or '') == '' then
        return true
    end
    local next_seq = sale.cursor + 1
    if (sale.rises > 0 or sale.cancelled_tickets > sale.skipped)
        and redis.call('GETBIT', bitmap, bit_of(next_seq)) == 1 then
        return true
    end
    local units = entry and units_of(entry)
    return units ~= nil and units <= sale.stock - committed_units(sale)
end

-- The first score of a sorted set that has as many members as `count` says, or none.
local function first_score(key, count)
    local first = count > 0 and redis.call('ZRANGE', key, 0, 0, 'WITHSCORES') or {}
    return tonumber(first[2])
end

-- The earliest time at which a ticket can be claimed, as far as time decides; nil if it does not.
local function next_ready(sale, past, now, keys)
    local restored_at = waits_for_restores(sale, past, now) and sale.restoring_until
    if not restored_at and can_advance(sale, past, keys.queue, keys.bitmap) then
        return now
    end
    local retry_at = first_score(keys.retries, sale.retrying_tickets)
    return restored_at and math.min(restored_at, retry_at or restored_at) or retry_at
end

-- Appends to the reply: tickets waiting, in flight and dead, milliseconds until a claim can return an entry, milliseconds
-- until a lease expires; -1 where time alone changes nothing. `keys` has leases, retries, queue and bitmap.
local function put_backlog(reply, sale, past, now, keys)
    local ready_at = sale.fulfilment_held ~= 1 and next_ready(sale, past, now, keys)
    local next_claim = ready_at and math.max(ready_at - now, 0) or -1
    if ready_at and sale.pace then
        local missing = math.max(TICKET - bucket_level(sale, now), 0)
        next_claim = math.max(next_claim, math.ceil(missing / sale.pace))
    end
    local expiry = first_score(keys.leases, sale.in_flight_tickets)
    local size = #reply
    reply[size + 1] = sale.waiting_tickets
    reply[size + 2] = sale.in_flight_tickets
    reply[size + 3] = sale.dead_tickets
    reply[size + 4] = next_claim
    reply[size + 5] = expiry and math.max(expiry - now, 0) or -1
end
