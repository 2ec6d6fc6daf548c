#!lua flags=allow-oom
-- Rejects dead tickets, which frees their units; the reason is that an operator discarded them.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 dead · 5 reasons · 6 … outcomes of each ticket's bucket
-- ARGV  1 sale id · 2 … the tickets' seqs
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each ticket: 1 discarded · 0 was not dead}

--! include codes
--! include open_sale
--! include dead
--! include outcome
--! include units_returned

local DISCARDED = 'discarded by an operator'

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local free_before = free_units(sale)
local reply, words = { DONE }, {}
for i = 2, #ARGV do
    words[i - 1] = ARGV[i]
    reply[i] = 0
end
local dead = {}
if #words > 0 then
    dead = find_dead(words, KEYS[3])
end
if not dead then
    return corrupt('the record of a dead ticket cannot be read')
end

if #dead > 0 then
    local over = {}
    for i, ticket in ipairs(dead) do
        transfer(sale, 'dead', 'rejected', 1, ticket.units)
        redis.call('HSET', KEYS[5 + ticket.index], ticket.word, encode_outcome('J', ticket.units, DISCARDED))
        over[i] = ticket.word
        reply[1 + ticket.index] = 1
    end
    redis.call('HDEL', KEYS[3], unpack(over))
    remove_dead(dead, KEYS[4], KEYS[5])
    save_sale(KEYS[1], sale)
    announce_units_returned(sale, free_before, ARGV[1])
end
return reply
