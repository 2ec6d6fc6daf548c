#!lua flags=allow-oom
-- Releases the units of ordered tickets.
--
-- KEYS  1 sale · 2 claimed · then for each ticket: the bitmap of its segment, the outcomes of its bucket
-- ARGV  1 sale id · 2 … the tickets' seqs
-- Reply {NO_SALE}
--       {DONE, for each ticket: 0 unknown · -1 released · -2 released before · else it has no order and is
--        1 waiting · 2 processing · 5 cancelled · 6 rejected · 7 expired · 8 dead}

--! include codes
--! include ledger
--! include outcome
--! include record
--! include units_returned

local UNKNOWN, RELEASED, ALREADY_RELEASED = 0, -1, -2
local CANCELLED, REJECTED, EXPIRED = 5, 6, 7
local IN_WORK = { W = 1, P = 2, D = 8 }

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local free_before = free_units(sale)

local reply, released = { DONE }, {}
for i = 1, #ARGV - 1 do
    local word, bitmap, outcomes = ARGV[1 + i], KEYS[1 + 2 * i], KEYS[2 + 2 * i]
    local seq = tonumber(word)
    local result
    if seq < 1 or seq > sale.last_seq then
        result = UNKNOWN
    elseif redis.call('GETBIT', bitmap, bit_of(seq)) == 1 then
        result = CANCELLED
    elseif seq > sale.cursor then
        result = sale.closed == 1 and EXPIRED or IN_WORK.W
    elseif released[word] then
        result = ALREADY_RELEASED
    else
        local outcome = redis.call('HGET', outcomes, word)
        local state, units, text = decode_outcome(outcome)
        if state == 'O' then
            transfer(sale, 'ordered', 'released', 1, units)
            released[word] = { outcomes, encode_outcome('L', units, text) }
            result = RELEASED
        elseif state == 'L' then
            result = ALREADY_RELEASED
        elseif state == 'J' then
            result = REJECTED
        else
            -- A ticket with neither outcome nor record is in a block (include/block.lua).
            local record = redis.call('HGET', KEYS[2], word)
            result = IN_WORK[record and decode_record(record) or 'P']
            if outcome or not result then
                return corrupt('the outcome of ticket ' .. word .. ' cannot be read')
            end
        end
    end
    reply[1 + i] = result
end

if next(released) then
    for word, outcome in pairs(released) do
        redis.call('HSET', outcome[1], word, outcome[2])
    end
    save_sale(KEYS[1], sale)
    announce_units_returned(sale, free_before, ARGV[1])
end
return reply
