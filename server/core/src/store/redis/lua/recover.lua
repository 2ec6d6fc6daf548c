#!lua flags=allow-oom
-- Takes back leases that have ended, earliest first, and tells what the sale still has to do.
--
-- KEYS  1 sale · 2 claimed · 3 leases · 4 retries · 5 dead · 6 reasons · 7 queue of segment s · 8 its bitmap
-- ARGV  1 now, empty for Redis's time · 2 most leases · 3 s
-- Reply {NO_SALE}
--       {OTHER_KEYS, buckets, last_seq, cursor, cancelled}: s is not the segment behind the cursor; nothing was done
--       {DONE, buckets, last_seq, cursor, cancelled, leases reclaimed, tickets dead, the outlook (include/outlook.lua)}

--! include codes
--! include clock
--! include outlook
--! include attempt

local NO_ANSWER = 'the lease ended without an answer'

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
if segment_of(sale.cursor + 1) ~= tonumber(ARGV[3]) then
    return { OTHER_KEYS, sale.buckets, sale.last_seq, sale.cursor, sale.cancelled_tickets }
end

local now = now_millis(ARGV[1])
local reclaimed, dead = 0, 0
local ended = redis.call('ZRANGE', KEYS[3], '-inf', now, 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
if #ended > 0 then
    local changes, seqs = new_changes(), {}
    for i, member in ipairs(ended) do
        seqs[i] = tonumber(member)
    end
    for i, record in ipairs(redis.call('HMGET', KEYS[2], unpack(seqs))) do
        local state, fence, attempt, start = decode_record(record or '')
        local units = state == 'P' and units_of(record, start)
        if not units then
            return corrupt('ticket ' .. digits(seqs[i]) .. ' has a lease and no record')
        end
        if try_again(sale, changes, seqs[i], fence, attempt, string.sub(record, start), units, now, NO_ANSWER) then
            dead = dead + 1
        else
            reclaimed = reclaimed + 1
        end
    end
    write_changes(sale, changes, { claimed = KEYS[2], leases = KEYS[3], retries = KEYS[4], dead = KEYS[5], reasons = KEYS[6] })
    save_sale(KEYS[1], sale)
end

local reply = { DONE, sale.buckets, sale.last_seq, sale.cursor, sale.cancelled_tickets, reclaimed, dead }
put_outlook(reply, sale, now, { leases = KEYS[3], retries = KEYS[4], queue = KEYS[7], bitmap = KEYS[8] })
return reply
