#!lua flags=allow-oom
-- Settles attempts. An expired lease still settles as long as it was not reclaimed: the fence decides.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 leases · 5 retries · 6 dead · 7 reasons · 8 claims · 9 … the outcomes of the first ticket's
--       bucket, then of each ticket's that is in another bucket than the one before
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 tickets in a bucket · then for each settlement: ticket, fence, and an
--       outcome: O and the order id, J and the reason, or T, milliseconds to wait before a retry, a colon and the reason
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each settlement: 0 the lease was lost · 1 waiting · 3 ordered · 6 rejected · 8 dead}

--! include codes
--! include open_sale
--! include clock
--! include outcome
--! include attempt
--! include block
--! include units_returned

local STALE, WAITING, ORDERED, REJECTED, DEAD = 0, 1, 3, 6, 8
local FIXED_KEYS, FIXED_ARGS = 8, 3

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local now, tickets_in_bucket = now_millis(ARGV[1]), tonumber(ARGV[3])
local free_before = free_units(sale)
local settlements = (#ARGV - FIXED_ARGS) / 3
if settlements == 0 then
    return { DONE }
end

local words = {}
for i = 1, settlements do
    words[i] = ARGV[FIXED_ARGS + 3 * i - 2]
end
local records = redis.call('HMGET', KEYS[3], unpack(words))

local changes, settled = new_changes(), false
local gone = {} -- tickets with records that this run has settled
local over, outcomes = {}, {}
local ordered_tickets, ordered_units, rejected_tickets, rejected_units = 0, 0, 0, 0

-- The ticket of one settlement, if it is held under this fence: its units, attempt and, for another attempt, its entry.
local function held_ticket(word, seq, fence, record, needs_entry)
    if not record then
        local block = block_of(KEYS[8], fence)
        local index = index_in_block(block, seq)
        if not index then
            return nil
        end
        local entry = needs_entry and entry_in_block(KEYS[8], block, index)
        local units = units_in_block(KEYS[8], block, index)
        remove_from_block(block, index)
        return units, 1, entry
    end
    local state, record_fence, attempt, start = decode_record(record)
    local units = units_of(record, start)
    if state ~= 'P' or record_fence ~= tonumber(fence) or gone[word] or not units then
        return nil
    end
    gone[word] = true
    changes.ended_leases[#changes.ended_leases + 1] = zset_member(seq)
    return units, attempt, needs_entry and string.sub(record, start)
end

local reply, bucket, bucket_key = { DONE }, nil, FIXED_KEYS
for i = 1, settlements do
    local at = FIXED_ARGS + 3 * i - 2
    local word, fence, outcome = words[i], ARGV[at + 1], ARGV[at + 2]
    local seq, kind = tonumber(word), string.sub(outcome, 1, 1)
    local bucket_of_ticket = math.floor(seq / tickets_in_bucket)
    if bucket_of_ticket ~= bucket then
        bucket, bucket_key = bucket_of_ticket, bucket_key + 1
    end
    local result = STALE
    local units, attempt, entry = held_ticket(word, seq, fence, records[i], kind == 'T')
    if units and kind == 'T' then
        local wait, start = string.match(outcome, '^T(%d+):()')
        local due, reason = now + tonumber(wait), string.sub(outcome, start)
        local dead = requeue_or_kill(sale, changes, seq, tonumber(fence), attempt, entry, units, due, reason)
        result = dead and DEAD or WAITING
    elseif units then
        local fields = outcomes[bucket_key]
        if not fields then
            fields = {}
            outcomes[bucket_key] = fields
        end
        local size = #fields
        fields[size + 1] = word
        fields[size + 2] = units == 1 and outcome or encode_outcome(kind, units, string.sub(outcome, 2))
        if records[i] then
            over[#over + 1] = word
        end
        if kind == 'O' then
            ordered_tickets, ordered_units = ordered_tickets + 1, ordered_units + units
            result = ORDERED
        else
            rejected_tickets, rejected_units = rejected_tickets + 1, rejected_units + units
            result = REJECTED
        end
    end
    settled = settled or units ~= nil
    reply[1 + i] = result
end

if settled then
    for key, fields in pairs(outcomes) do
        redis.call('HSET', KEYS[key], unpack(fields))
    end
    write_all('HDEL', KEYS[3], over)
    write_blocks(KEYS[8], KEYS[4])
    write_changes(sale, changes, { claimed = KEYS[3], leases = KEYS[4], retries = KEYS[5], dead = KEYS[6], reasons = KEYS[7] })
    transfer(sale, 'in_flight', 'ordered', ordered_tickets, ordered_units)
    transfer(sale, 'in_flight', 'rejected', rejected_tickets, rejected_units)
    save_sale(KEYS[1], sale)
    if rejected_tickets > 0 then
        announce_units_returned(sale, free_before, ARGV[2])
    end
end
return reply
