#!lua flags=allow-oom
-- Deletes a closed sale. A tombstone determines which of its keys are left until the caller has removed them with
-- sweep.lua; no sale of this name can be created before.
--
-- KEYS  1 sale · 2 tombstone
-- ARGV  none
-- Reply {DONE, 0}: nothing is left · {DONE, 1}: not closed · {DONE, 2, tickets}: so many are in flight, to be retried or dead ·
--       {DONE, 3, epoch, buckets, last_seq}: deleted, keys to be swept

--! include codes
--! include sale

local NOTHING_LEFT, NOT_CLOSED, BUSY, TO_SWEEP = 0, 1, 2, 3

local sale = load_sale(KEYS[1])
if sale.epoch then
    if sale.closed ~= 1 then
        return { DONE, NOT_CLOSED }
    end
    local busy = sale.in_flight_tickets + sale.retrying_tickets + sale.dead_tickets
    if busy > 0 then
        return { DONE, BUSY, busy }
    end
    redis.call('SET', KEYS[2], table.concat({ digits(sale.epoch), digits(sale.buckets), digits(sale.last_seq) }, ' '))
    redis.call('DEL', KEYS[1])
end
local epoch, buckets, last_seq = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+) (%d+)$')
if not epoch then
    return { DONE, NOTHING_LEFT }
end
return { DONE, TO_SWEEP, tonumber(epoch), tonumber(buckets), tonumber(last_seq) }
