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

-- Appends to the reply: tickets waiting, in flight and dead, milliseconds until a claim can return an entry, milliseconds
-- until a lease expires; -1 where time alone changes nothing. `keys` has leases, retries, queue and bitmap.
local function put_backlog(reply, sale, past, now, keys)
    local next_claim, next_expiry = -1, -1
    if sale.fulfilment_held ~= 1 then
        local restoring = waits_for_restores(sale, past, now)
        if not restoring and can_advance(sale, past, keys.queue, keys.bitmap) then
            next_claim = 0
        else
            local retry = redis.call('ZRANGE', keys.retries, 0, 0, 'WITHSCORES')
            if retry[2] then
                next_claim = math.max(tonumber(retry[2]) - now, 0)
            end
            if restoring then
                local left = sale.restoring_until - now
                next_claim = next_claim < 0 and left or math.min(next_claim, left)
            end
        end
    end
    if next_claim >= 0 and sale.pace then
        local missing = math.max(TICKET - bucket_level(sale, now), 0)
        next_claim = math.max(next_claim, math.ceil(missing / sale.pace))
    end
    local lease = redis.call('ZRANGE', keys.leases, 0, 0, 'WITHSCORES')
    if lease[2] then
        next_expiry = math.max(tonumber(lease[2]) - now, 0)
    end
    local size = #reply
    reply[size + 1] = sale.waiting_tickets
    reply[size + 2] = sale.in_flight_tickets
    reply[size + 3] = sale.dead_tickets
    reply[size + 4] = next_claim
    reply[size + 5] = next_expiry
end
