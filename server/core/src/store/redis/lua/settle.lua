#!lua flags=allow-oom
-- Records what came of attempts. A lease that has ended still settles as long as nobody took it back: the fence counts.
--
-- KEYS  1 sale · 2 claimed · 3 leases · 4 retries · 5 dead · 6 reasons · 7 … outcomes of each ticket's bucket
-- ARGV  1 now, empty for Redis's time · 2 sale id · then for each settlement: ticket, fence, outcome (O ordered,
--       J rejected, T try again), ms to wait before a retry, order id or reason
-- Reply {NO_SALE}
--       {DONE, for each settlement: 0 the lease was lost · 1 waiting · 3 ordered · 6 rejected · 8 dead}

--! include codes
--! include clock
--! include entry
--! include outcome
--! include attempt
--! include returned

local STALE, WAITING, ORDERED, REJECTED, DEAD = 0, 1, 3, 6, 8
local FIXED_KEYS, FIXED_ARGS = 6, 2

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local now = now_millis(ARGV[1])
local free_before = free_units(sale)
local settlements = #KEYS - FIXED_KEYS
if settlements == 0 then
    return { DONE }
end

local seqs = {}
for i = 1, settlements do
    seqs[i] = ARGV[FIXED_ARGS + 5 * i - 4]
end
local records = redis.call('HMGET', KEYS[2], unpack(seqs))

local reply, changes, settled = { DONE }, new_changes(), {}
local over, outcomes = {}, {}
local ordered_tickets, ordered_units, rejected_tickets, rejected_units = 0, 0, 0, 0
for i = 1, settlements do
    local at = FIXED_ARGS + 5 * i - 4
    local seq, wanted_fence, kind = seqs[i], tonumber(ARGV[at + 1]), ARGV[at + 2]
    local record = records[i] or ''
    local state, fence, attempt, start = decode_record(record)
    local result = STALE
    if state == 'P' and fence == wanted_fence and not settled[seq] then
        local units = units_of(record, start)
        if not units then
            return corrupt('the record of ticket ' .. seq .. ' cannot be read')
        end
        settled[seq] = true
        if kind == 'T' then
            local due, entry = now + tonumber(ARGV[at + 3]), string.sub(record, start)
            local dead = try_again(sale, changes, tonumber(seq), fence, attempt, entry, units, due, ARGV[at + 4])
            result = dead and DEAD or WAITING
        else
            local key = KEYS[FIXED_KEYS + i]
            local bucket = outcomes[key] or {}
            outcomes[key] = bucket
            bucket[#bucket + 1] = seq
            bucket[#bucket + 1] = encode_outcome(kind, units, ARGV[at + 4])
            over[#over + 1] = seq
            changes.leases_over[#changes.leases_over + 1] = member_of(tonumber(seq))
            if kind == 'O' then
                ordered_tickets, ordered_units = ordered_tickets + 1, ordered_units + units
                result = ORDERED
            else
                rejected_tickets, rejected_units = rejected_tickets + 1, rejected_units + units
                result = REJECTED
            end
        end
    end
    reply[1 + i] = result
end

if next(settled) then
    for key, bucket in pairs(outcomes) do
        redis.call('HSET', key, unpack(bucket))
    end
    write_all('HDEL', KEYS[2], over)
    write_changes(sale, changes, { claimed = KEYS[2], leases = KEYS[3], retries = KEYS[4], dead = KEYS[5], reasons = KEYS[6] })
    move(sale, 'in_flight', 'ordered', ordered_tickets, ordered_units)
    move(sale, 'in_flight', 'rejected', rejected_tickets, rejected_units)
    save_sale(KEYS[1], sale)
    if rejected_tickets > 0 then
        announce_returned(sale, free_before, ARGV[2])
    end
end
return reply
