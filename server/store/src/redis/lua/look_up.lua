#!lua flags=no-writes
-- The status of tickets. Runs one command if all of them wait and none is cancelled.
--
-- KEYS  1 sale · 2 claimed · 3 cancel tree · 4 reasons · then, if ARGV 1 is 1, the bitmap of cancelled seqs of each
--       ticket's segment · then the outcomes of each ticket's bucket, for those up to the cursor in ARGV 2
-- ARGV  1 whether bitmaps are named, 1 or 0 · 2 the cursor that the keys were built for · 3 … the tickets' seqs
-- Reply {NO_SALE}
--       {WRONG_KEYS, buckets, last_seq, cursor, cancelled}
--       {DONE, buckets, last_seq, cursor, cancelled, epoch, measured pace, then for each ticket …}
--       For each ticket: 0 no such ticket · 1, position, 1 if attempted: waiting · 2 processing · 3, order id: ordered ·
--       4, order id: released · 5 cancelled · 6, reason: rejected · 7 expired · 8, reason: dead

--! include codes
--! include digits
--! include queue
--! include cancel_tree
--! include outcome
--! include record

local NONE, WAITING, PROCESSING, ORDERED, RELEASED, CANCELLED, REJECTED, EXPIRED, DEAD = 0, 1, 2, 3, 4, 5, 6, 7, 8
local FIXED_KEYS, FIXED_ARGS = 4, 2

-- The first fields of the sale, in the order of include/sale.lua.
local stored = redis.call('GETRANGE', KEYS[1], 0, 63)
if stored == '' then
    return { NO_SALE }
end
local epoch, buckets, closed, measured_pace, cursor, cancelled_tickets, cancelled_passed, last =
    struct.unpack('<dddddddd', stored)

local bitmaps_named, cursor_hint = ARGV[1] == '1', tonumber(ARGV[2])
local tickets = #ARGV - FIXED_ARGS

-- The keys of each ticket's bitmap and outcomes, in the caller's order.
local key_of_outcome, passed = {}, {}
local next_key = FIXED_KEYS + (bitmaps_named and tickets or 0)
local fits = bitmaps_named or cancelled_tickets == 0
for i = 1, tickets do
    local seq = tonumber(ARGV[FIXED_ARGS + i])
    if seq <= cursor_hint then
        next_key = next_key + 1
        key_of_outcome[i] = KEYS[next_key]
    end
    if seq >= 1 and seq <= cursor then
        passed[#passed + 1] = i
        fits = fits and key_of_outcome[i]
    end
end
if not fits then
    return { WRONG_KEYS, buckets, last, cursor, cancelled_tickets }
end

-- Records and outcomes of all tickets that the cursor has passed, in as few commands as there are hashes.
local records, outcomes, reasons = {}, {}, {}
if #passed > 0 then
    local words = {}
    for at, i in ipairs(passed) do
        words[at] = ARGV[FIXED_ARGS + i]
    end
    local found = redis.call('HMGET', KEYS[2], unpack(words))
    local by_key, dead = {}, {}
    for at, i in ipairs(passed) do
        local record = found[at]
        if record then
            records[i] = record
            if string.sub(record, 1, 1) == 'D' then
                dead[#dead + 1] = i
            end
        else
            local group = by_key[key_of_outcome[i]] or {}
            by_key[key_of_outcome[i]] = group
            group[#group + 1] = i
        end
    end
    local function fetch(key, group, into)
        local fields = {}
        for at, i in ipairs(group) do
            fields[at] = ARGV[FIXED_ARGS + i]
        end
        local values = redis.call('HMGET', key, unpack(fields))
        for at, i in ipairs(group) do
            into[i] = values[at]
        end
    end
    for key, group in pairs(by_key) do
        fetch(key, group, outcomes)
    end
    if #dead > 0 then
        fetch(KEYS[4], dead, reasons)
    end
end

-- The counts of cancelled tickets ahead of those that wait.
local counts = {}
if cancelled_tickets > cancelled_passed then
    local segments = {}
    for i = 1, tickets do
        local seq = tonumber(ARGV[FIXED_ARGS + i])
        if seq > cursor and seq <= last then
            segments[#segments + 1] = segment_of(seq)
        end
    end
    counts = load_nodes(KEYS[3], segments)
end

local reply = { DONE, buckets, last, cursor, cancelled_tickets, epoch, measured_pace }
local size = #reply
local function put(value)
    size = size + 1
    reply[size] = value
end

for i = 1, tickets do
    local seq = tonumber(ARGV[FIXED_ARGS + i])
    local bitmap = bitmaps_named and KEYS[FIXED_KEYS + i]
    if seq < 1 or seq > last then
        put(NONE)
    elseif bitmap and redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then
        put(CANCELLED)
    elseif seq > cursor then
        if closed == 1 then
            put(EXPIRED)
        else
            local ahead = seq - cursor
            if cancelled_tickets > cancelled_passed then
                ahead = ahead - (cancelled_below(counts, bitmap, seq) - cancelled_passed)
            end
            put(WAITING)
            put(ahead)
            put(0)
        end
    elseif records[i] then
        local state = decode_record(records[i])
        if state == 'P' then
            put(PROCESSING)
        elseif state == 'W' then
            put(WAITING)
            put(1)
            put(1)
        elseif state == 'D' and reasons[i] then
            put(DEAD)
            put(reasons[i])
        else
            return corrupt('the record of ticket ' .. digits(seq) .. ' cannot be read')
        end
    else
        local state, _, text = decode_outcome(outcomes[i])
        if state == 'O' then
            put(ORDERED)
        elseif state == 'L' then
            put(RELEASED)
        elseif state == 'J' then
            put(REJECTED)
        elseif not outcomes[i] then
            put(PROCESSING) -- in a block (include/block.lua)
        else
            return corrupt('the outcome of ticket ' .. digits(seq) .. ' cannot be read')
        end
        if state then
            put(text)
        end
    end
end
return reply
