#!lua flags=allow-oom
-- Releases the units of ordered tickets.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 adopted · then for each ticket: the bitmaps of cancelled and of restored
--       seqs of its segment, the outcomes of its bucket
-- ARGV  1 sale id · then for each ticket: epoch, seq
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each ticket: 0 unknown · -1 released · -2 released before · else it has no order and is
--        1 waiting · 2 processing · 5 cancelled · 6 rejected · 7 expired · 8 dead · 9 lost}

--! include codes
--! include open_sale
--! include epochs
--! include ledger
--! include outcome
--! include queue
--! include record
--! include units_returned

local UNKNOWN, RELEASED, ALREADY_RELEASED = 0, -1, -2
local CANCELLED, REJECTED, EXPIRED, IS_LOST = 5, 6, 7, 9
local FIXED_KEYS, FIXED_ARGS = 4, 1
local IN_WORK = { W = 1, P = 2, D = 8 }

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local free_before = free_units(sale)

local past = past_epochs(sale.past)
local reply, released = { DONE }, {}

-- Releases the order of the ticket in this field, if it has one; nil if it has no outcome, or an unreadable one.
local function release_order(key, field)
    local mark = key .. ' ' .. field
    if released[mark] then
        return ALREADY_RELEASED
    end
    local state, units, text = decode_outcome(redis.call('HGET', key, field))
    if state == 'O' then
        transfer(sale, 'ordered', 'released', 1, units)
        released[mark] = { key, field, encode_outcome('L', units, text) }
        return RELEASED
    end
    return state == 'L' and ALREADY_RELEASED or state == 'J' and REJECTED or nil
end

for i = 1, (#ARGV - FIXED_ARGS) / 2 do
    local key = FIXED_KEYS + 3 * i
    local bitmap, restored, outcomes = KEYS[key - 2], KEYS[key - 1], KEYS[key]
    local epoch, word = tonumber(ARGV[FIXED_ARGS + 2 * i - 1]), ARGV[FIXED_ARGS + 2 * i]
    local seq = tonumber(word)
    local place, is_owned = place_of(epoch, seq, sale.epoch, sale.last_seq, past)
    local result
    -- Names of tickets are not signed: one that is ahead shows nothing about the store.
    if place == FOREIGN or place == AHEAD then
        result = UNKNOWN
    elseif place == LOST and not (is_owned and redis.call('GETBIT', restored, bit_of(seq)) == 1) then
        result = release_order(KEYS[4], digits(epoch) .. '/' .. word) or IS_LOST
    elseif redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then
        result = release_order(outcomes, word) or CANCELLED -- reconcile.lua settles tickets in the queue
    elseif seq > sale.cursor then
        result = sale.closed == 1 and EXPIRED or IN_WORK.W
    else
        result = release_order(outcomes, word)
        if not result then
            -- A ticket with neither outcome nor record is in a block (include/block.lua).
            local record = redis.call('HGET', KEYS[3], word)
            result = IN_WORK[record and decode_record(record) or 'P']
            if not result or redis.call('HEXISTS', outcomes, word) == 1 then
                return corrupt('the outcome of ticket ' .. word .. ' cannot be read')
            end
        end
    end
    reply[1 + i] = result
end

if next(released) then
    for _, outcome in pairs(released) do
        redis.call('HSET', unpack(outcome))
    end
    save_sale(KEYS[1], sale)
    announce_units_returned(sale, free_before, ARGV[1])
end
return reply
