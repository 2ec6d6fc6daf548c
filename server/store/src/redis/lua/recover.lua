#!lua flags=allow-oom
-- Reclaims expired leases, earliest first, and replies with the sale's backlog.
--
-- KEYS  1 sale · 2 claimed · 3 leases · 4 retries · 5 dead · 6 reasons · 7 queue of segment s · 8 its bitmap ·
--       9 claims
-- ARGV  1 now, empty for Redis's time · 2 max leases · 3 s
-- Reply {NO_SALE}
--       {WRONG_KEYS, buckets, last_seq, cursor, cancelled}: s is not the segment behind the cursor; nothing was done
--       {DONE, buckets, last_seq, cursor, cancelled, leases reclaimed, tickets dead, the backlog (include/backlog.lua)}

--! include codes
--! include clock
--! include backlog
--! include attempt
--! include block

local NO_ANSWER = 'the lease ended without an answer'

local sale = load_sale(KEYS[1])
if not sale.epoch then
    return { NO_SALE }
end
if segment_of(sale.cursor + 1) ~= tonumber(ARGV[3]) then
    return { WRONG_KEYS, sale.buckets, sale.last_seq, sale.cursor, sale.cancelled_tickets }
end

local now, max = now_millis(ARGV[1]), tonumber(ARGV[2])
local ended = redis.call('ZRANGE', KEYS[3], '-inf', now, 'BYSCORE', 'LIMIT', 0, max)
local changes = new_changes()
local reclaimed, dead = 0, 0
local function reclaim(seq, fence, attempt, entry, units)
    if requeue_or_kill(sale, changes, seq, fence, attempt, entry, units, now, NO_ANSWER) then
        dead = dead + 1
    else
        reclaimed = reclaimed + 1
    end
end

for _, member in ipairs(ended) do
    local fence = fence_from_member(member)
    if reclaimed + dead == max then
        break
    elseif fence then
        local block = block_of(KEYS[9], fence)
        if not block then
            return corrupt('claim ' .. fence .. ' has a lease and no block')
        end
        for index = 1, #block.held do
            if block.held[index] == HELD and reclaimed + dead < max then
                local units = units_in_block(KEYS[9], block, index)
                reclaim(block.first + index - 1, tonumber(fence), 1, entry_in_block(KEYS[9], block, index), units)
                remove_from_block(block, index)
            end
        end
    else
        local seq = tonumber(member)
        local record = redis.call('HGET', KEYS[2], digits(seq))
        local state, record_fence, attempt, start = decode_record(record or '')
        local units = state == 'P' and units_of(record, start)
        if not units then
            return corrupt('ticket ' .. digits(seq) .. ' has a lease and no record')
        end
        changes.ended_leases[#changes.ended_leases + 1] = member
        reclaim(seq, record_fence, attempt, string.sub(record, start), units)
    end
end
if #ended > 0 then
    write_blocks(KEYS[9], KEYS[3])
    write_changes(sale, changes, { claimed = KEYS[2], leases = KEYS[3], retries = KEYS[4], dead = KEYS[5], reasons = KEYS[6] })
    save_sale(KEYS[1], sale)
end

local reply = { DONE, sale.buckets, sale.last_seq, sale.cursor, sale.cancelled_tickets, reclaimed, dead }
put_backlog(reply, sale, now, { leases = KEYS[3], retries = KEYS[4], queue = KEYS[7], bitmap = KEYS[8] })
return reply
