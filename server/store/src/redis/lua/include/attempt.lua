--! include record
--! include ledger

-- The changes of a batch of ended attempts, collected first and written together. Tickets and units are counted by the part
-- of the ledger that they move to.
local function new_changes()
    return {
        records = {}, ended_leases = {}, retries = {}, dead = {}, reasons = {},
        waiting_tickets = 0, waiting_units = 0, dead_tickets = 0, dead_units = 0,
    }
end

-- Requeues a ticket whose attempt failed until `due`, or marks it dead after its last attempt, and returns whether it is
-- dead. The ticket is in flight before; the caller ends its lease.
local function requeue_or_kill(sale, changes, seq, fence, attempt, entry, units, due, reason)
    local dead = attempt >= sale.max_attempts
    local word, member = digits(seq), zset_member(seq)
    local records = changes.records
    records[#records + 1] = word
    records[#records + 1] = record_head(dead and 'D' or 'W', fence, attempt) .. entry
    if dead then
        changes.dead_tickets = changes.dead_tickets + 1
        changes.dead_units = changes.dead_units + units
        changes.dead[#changes.dead + 1] = word
        changes.dead[#changes.dead + 1] = member
        changes.reasons[#changes.reasons + 1] = word
        changes.reasons[#changes.reasons + 1] = reason
    else
        changes.waiting_tickets = changes.waiting_tickets + 1
        changes.waiting_units = changes.waiting_units + units
        changes.retries[#changes.retries + 1] = digits(due)
        changes.retries[#changes.retries + 1] = member
    end
    return dead
end

local function write_all(command, key, words)
    if #words > 0 then
        redis.call(command, key, unpack(words))
    end
end

-- Writes the changes to all but the sale itself, and counts them in the ledger. `keys` names claimed, leases, retries,
-- dead and reasons.
local function write_changes(sale, changes, keys)
    write_all('HSET', keys.claimed, changes.records)
    write_all('ZREM', keys.leases, changes.ended_leases)
    write_all('ZADD', keys.retries, changes.retries)
    write_all('ZADD', keys.dead, changes.dead)
    write_all('HSET', keys.reasons, changes.reasons)
    transfer(sale, 'in_flight', 'waiting', changes.waiting_tickets, changes.waiting_units)
    add_to(sale, 'retrying', changes.waiting_tickets, changes.waiting_units)
    transfer(sale, 'in_flight', 'dead', changes.dead_tickets, changes.dead_units)
end
