#!lua flags=allow-oom
-- Requeues dead tickets, due now, with all attempts before them.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 retries · 5 dead · 6 reasons
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 … the tickets' seqs
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {DONE, for each ticket: 1 requeued · 0 was not dead}

--! include codes
--! include open_sale
--! include clock
--! include dead
--! include announce

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
local reply, words = { DONE }, {}
for i = 3, #ARGV do
    words[i - 2] = ARGV[i]
    reply[i - 1] = 0
end
local dead = {}
if #words > 0 then
    dead = find_dead(words, KEYS[3])
end
if not dead then
    return corrupt('the record of a dead ticket cannot be read')
end

if #dead > 0 then
    local now = now_millis(ARGV[1])
    local records, retries = {}, {}
    for _, ticket in ipairs(dead) do
        transfer(sale, 'dead', 'waiting', 1, ticket.units)
        add_to(sale, 'retrying', 1, ticket.units)
        records[#records + 1] = ticket.word
        records[#records + 1] = record_head('W', sale.fence, 0) .. ticket.entry
        retries[#retries + 1] = digits(now)
        retries[#retries + 1] = zset_member(tonumber(ticket.word))
        reply[1 + ticket.index] = 1
    end
    redis.call('HSET', KEYS[3], unpack(records))
    redis.call('ZADD', KEYS[4], unpack(retries))
    remove_dead(dead, KEYS[5], KEYS[6])
    save_sale(KEYS[1], sale)
    announce_work(ARGV[2])
end
return reply
