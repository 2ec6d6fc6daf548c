#!lua flags=no-writes
-- The status of tickets. Runs one command if all of them wait and none is cancelled.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 cancel tree · 5 reasons · 6 adopted · then, if ARGV 1 is 1, the bitmap of
--       cancelled seqs of each ticket's segment · then the bitmap of restored seqs of each ticket's segment, for those of
--       another epoch than ARGV 3 · then the outcomes of each ticket's bucket, for those up to the seq in ARGV 2
-- ARGV  1 whether bitmaps are named, 1 or 0 · 2 the seq up to which outcomes are named: the cursor, or any after a rise ·
--       3, 4 the latest epoch and last seq that the caller has seen · then for each ticket: epoch, seq
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}
--       {DONE, the queue's state, past epochs, measured pace, then for each ticket …}
--       For each ticket: 0 no such ticket · 1, position, 1 if attempted: waiting · 2 processing · 3, order id: ordered ·
--       4, order id: released · 5 cancelled · 6, reason: rejected · 7 expired · 8, reason: dead · 9 lost

--! include codes
--! include digits
--! include history
--! include lost
--! include queue
--! include cancel_tree
--! include outcome
--! include record

local NONE, WAITING, PROCESSING, ORDERED, RELEASED, CANCELLED, REJECTED, EXPIRED, DEAD, IS_LOST = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
local FIXED_KEYS, FIXED_ARGS = 6, 4

-- The first fields of the sale, in the order of include/sale.lua.
local stored = redis.call('GETRANGE', KEYS[1], 0, 87)
if stored == '' then
    return { NO_SALE }
end
local epoch, history, rises, buckets, closed, measured_pace, cursor, cancelled_tickets, skipped, last, admitted_tickets =
    struct.unpack('<ddddddddddd', stored)
local unusable = check_history(history, KEYS[2], false)
if unusable then
    return unusable
elseif has_gone_back(epoch, last, ARGV[3], ARGV[4]) then
    return { HISTORY_CHANGED }
end
local packed_past = rises > 0 and redis.call('GETRANGE', KEYS[1], PAST_EPOCHS_AT, -1) or ''
local past, holes = past_epochs(packed_past), holes_of(cancelled_tickets, rises)

local bitmaps_named, cursor_hint = ARGV[1] == '1', tonumber(ARGV[2])
local tickets = (#ARGV - FIXED_ARGS) / 2
local words, seqs = {}, {} -- the tickets' seqs, as text and as numbers
for i = 1, tickets do
    words[i] = ARGV[FIXED_ARGS + 2 * i]
    seqs[i] = tonumber(words[i])
end

-- The keys of each ticket's bitmaps and outcomes, in the caller's order.
local next_key = FIXED_KEYS + (bitmaps_named and tickets or 0)
local key_of_restored, key_of_outcome = {}, {}
for i = 1, tickets do
    if ARGV[FIXED_ARGS + 2 * i - 1] ~= ARGV[3] then
        next_key = next_key + 1
        key_of_restored[i] = KEYS[next_key]
    end
end
-- Most tickets are of the present epoch, and as the caller knows it: one comparison of texts shows that.
local first_of_present = #past > 0 and past[#past].next_first or 1
local present_word = tonumber(ARGV[3]) == epoch and ARGV[3]
local places, passed = {}, {}
local fits = bitmaps_named or holes == 0
for i = 1, tickets do
    local seq, given = seqs[i], ARGV[FIXED_ARGS + 2 * i - 1]
    if seq <= cursor_hint then
        next_key = next_key + 1
        key_of_outcome[i] = KEYS[next_key]
    end
    local place, is_owned
    if given == present_word and seq >= first_of_present and seq <= last then
        place = KNOWN
    else
        place, is_owned = place_of(tonumber(given), seq, epoch, last, past)
    end
    if place == AHEAD then
        return { HISTORY_CHANGED }
    elseif place == LOST then
        if not key_of_restored[i] then
            fits = false
        elseif is_owned and redis.call('GETBIT', key_of_restored[i], bit_of(seq)) == 1 then
            place = KNOWN
        end
    end
    places[i] = place
    if place == KNOWN and seq <= cursor then
        passed[#passed + 1] = i
    end
    -- After a rise also a ticket in the queue may have an outcome.
    if place == KNOWN and (seq <= cursor or rises > 0) then
        fits = fits and key_of_outcome[i]
    end
end
if not fits then
    return { WRONG_KEYS, epoch, buckets, last, cursor, holes, admitted_tickets }
end

-- Records and outcomes of all tickets that the cursor has passed, in as few commands as there are hashes.
local records, outcomes, reasons = {}, {}, {}
if #passed > 0 then
    local fields = {}
    for at, i in ipairs(passed) do
        fields[at] = words[i]
    end
    local found = redis.call('HMGET', KEYS[3], unpack(fields))
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
        local names = {}
        for at, i in ipairs(group) do
            names[at] = words[i]
        end
        local values = redis.call('HMGET', key, unpack(names))
        for at, i in ipairs(group) do
            into[i] = values[at]
        end
    end
    for key, group in pairs(by_key) do
        fetch(key, group, outcomes)
    end
    if #dead > 0 then
        fetch(KEYS[5], dead, reasons)
    end
end

-- The counts of cancelled tickets ahead of those that wait.
local counts = {}
local has_holes_ahead = rises > 0 or cancelled_tickets > skipped
if has_holes_ahead then
    local segments = {}
    for i = 1, tickets do
        if places[i] == KNOWN and seqs[i] > cursor then
            segments[#segments + 1] = segment_of(seqs[i])
        end
    end
    counts = load_nodes(KEYS[4], segments)
end

local reply = { DONE, epoch, buckets, last, cursor, holes, admitted_tickets, packed_past, measured_pace }
local size = #reply
local function put(value)
    size = size + 1
    reply[size] = value
end

-- The outcome of a ticket that reconcile.lua settled although the store had lost it, or it was in the queue or cancelled.
local function put_reconciled(key, field, otherwise)
    local state, _, text = decode_outcome(redis.call('HGET', key, field))
    put(state == 'O' and ORDERED or state == 'L' and RELEASED or state == 'J' and REJECTED or otherwise)
    if state then
        put(text)
    end
end

for i = 1, tickets do
    local seq, bitmap = seqs[i], bitmaps_named and KEYS[FIXED_KEYS + i]
    if places[i] == FOREIGN then
        put(NONE)
    elseif places[i] == LOST then
        put_reconciled(KEYS[6], ARGV[FIXED_ARGS + 2 * i - 1] .. '/' .. words[i], IS_LOST)
    elseif bitmap and redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then
        if key_of_outcome[i] then
            put_reconciled(key_of_outcome[i], words[i], CANCELLED)
        else
            put(CANCELLED)
        end
    elseif seq > cursor then
        if closed == 1 then
            put(EXPIRED)
        else
            local ahead = seq - cursor
            if has_holes_ahead then
                ahead = ahead - (lost_below(past, seq) + cancelled_below(counts, bitmap, seq) - skipped)
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
