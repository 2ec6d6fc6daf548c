--! include record
--! include ledger

-- What a batch of ended attempts writes: gathered first, written at once.
local function new_changes()
    return { records = {}, leases_over = {}, retries = {}, dead = {}, reasons = {} }
end

-- A ticket whose attempt came to nothing waits until `due`, or is dead after its last attempt. True when it is dead. It
-- is in flight before.
local function try_again(sale, changes, seq, fence, attempt, entry, units, due, reason)
    local dead = attempt >= sale.max_attempts
    local records = changes.records
    records[#records + 1] = seq
    records[#records + 1] = encode_record(dead and 'D' or 'W', fence, attempt, entry)
    changes.leases_over[#changes.leases_over + 1] = member_of(seq)
    if dead then
        move(sale, 'in_flight', 'dead', units)
        changes.dead[#changes.dead + 1] = seq
        changes.dead[#changes.dead + 1] = member_of(seq)
        changes.reasons[#changes.reasons + 1] = seq
        changes.reasons[#changes.reasons + 1] = reason
    else
        move(sale, 'in_flight', 'waiting', units)
        count_retry(sale, units, 1)
        changes.retries[#changes.retries + 1] = due
        changes.retries[#changes.retries + 1] = member_of(seq)
    end
    return dead
end

local function write_all(command, key, words)
    if #words > 0 then
        redis.call(command, key, unpack(words))
    end
end

-- `keys` names claimed, leases, retries, dead and reasons.
local function write_changes(changes, keys)
    write_all('HSET', keys.claimed, changes.records)
    write_all('ZREM', keys.leases, changes.leases_over)
    write_all('ZADD', keys.retries, changes.retries)
    write_all('ZADD', keys.dead, changes.dead)
    write_all('HSET', keys.reasons, changes.reasons)
end
