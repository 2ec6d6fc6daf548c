#!lua flags=allow-oom
-- Rejects dead tickets, which frees their units; the reason is that an operator discarded them.
--
-- KEYS  1 sale · 2 claimed · 3 dead · 4 reasons · 5 … outcomes of each ticket's bucket
-- ARGV  1 sale id · 2 … the tickets' seqs
-- Reply {NO_SALE}
--       {DONE, for each ticket: 1 discarded · 0 was not dead}

--! include codes
--! include dead
--! include outcome
--! include units_returned

local DISCARDED = 'discarded by an operator'

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
local free_before = free_units(sale)
local reply, words = { DONE }, {}
for i = 2, #ARGV do
    words[i - 1] = ARGV[i]
    reply[i] = 0
end
local dead = {}
if #words > 0 then
    dead = find_dead(words, KEYS[2])
end
if not dead then
    return corrupt('the record of a dead ticket cannot be read')
end

if #dead > 0 then
    local over = {}
    for i, ticket in ipairs(dead) do
        transfer(sale, 'dead', 'rejected', 1, ticket.units)
        redis.call('HSET', KEYS[4 + ticket.index], ticket.word, encode_outcome('J', ticket.units, DISCARDED))
        over[i] = ticket.word
        reply[1 + ticket.index] = 1
    end
    redis.call('HDEL', KEYS[2], unpack(over))
    remove_dead(dead, KEYS[3], KEYS[4])
    save_sale(KEYS[1], sale)
    announce_units_returned(sale, free_before, ARGV[1])
end
return reply
