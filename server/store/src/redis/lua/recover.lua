#!lua flags=allow-oom
-- Reclaims expired leases, earliest first, and replies with the sale's backlog.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 leases · 5 retries · 6 dead · 7 reasons · 8 queue of segment s · 9 its bitmap ·
--       10 claims
-- ARGV  1 now, empty for Redis's time · 2 max leases · 3 s · 4, 5 the latest epoch and last seq that the caller has seen
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}: s is not the segment behind the cursor; nothing was done
--       {DONE, the queue's state, leases reclaimed, tickets dead, the backlog (include/backlog.lua)}

--! include codes
--! include open_sale
--! include clock
--! include backlog
--! include attempt
--! include block

local NO_ANSWER = 'the lease ended without an answer'

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
if has_gone_back(sale.epoch, sale.last_seq, ARGV[4], ARGV[5]) then
    return { HISTORY_CHANGED }
elseif segment_of(sale.cursor + 1) ~= tonumber(ARGV[3]) then
    return queue_state(WRONG_KEYS, sale)
end

local now, max = now_millis(ARGV[1]), tonumber(ARGV[2])
-- Without tickets in flight there is no lease: most sales are idle.
local ended = {}
if sale.in_flight_tickets > 0 then
    ended = redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE', 'LIMIT', 0, max, 'WITHSCORES')
end
local changes = new_changes()
local reclaimed, dead = 0, 0
-- A reclaimed ticket is due since its lease expired: if the clock was ahead and is set back, it does not wait as long.
local function reclaim(seq, fence, attempt, entry, units, expiry)
    if requeue_or_kill(sale, changes, seq, fence, attempt, entry, units, expiry, NO_ANSWER) then
        dead = dead + 1
    else
        reclaimed = reclaimed + 1
    end
end

for i = 1, #ended, 2 do
    local member, expiry = ended[i], tonumber(ended[i + 1])
    local fence = fence_from_member(member)
    if reclaimed + dead == max then
        break
    elseif fence then
        local block = block_of(KEYS[10], fence)
        if not block then
            return corrupt('claim ' .. fence .. ' has a lease and no block')
        end
        for index = 1, #block.held do
            if block.held[index] == HELD and reclaimed + dead < max then
                local units = units_in_block(KEYS[10], block, index)
                reclaim(block.first + index - 1, tonumber(fence), 1, entry_in_block(KEYS[10], block, index), units, expiry)
                remove_from_block(block, index)
            end
        end
    else
        local seq = tonumber(member)
        local record = redis.call('HGET', KEYS[3], digits(seq))
        local state, record_fence, attempt, start = decode_record(record or '')
        local units = state == 'P' and units_of(record, start)
        if not units then
            return corrupt('ticket ' .. digits(seq) .. ' has a lease and no record')
        end
        changes.ended_leases[#changes.ended_leases + 1] = member
        reclaim(seq, record_fence, attempt, string.sub(record, start), units, expiry)
    end
end
if #ended > 0 then
    write_blocks(KEYS[10], KEYS[4])
    write_changes(sale, changes, { claimed = KEYS[3], leases = KEYS[4], retries = KEYS[5], dead = KEYS[6], reasons = KEYS[7] })
    save_sale(KEYS[1], sale)
end

local reply = queue_state(DONE, sale)
reply[#reply + 1], reply[#reply + 2] = reclaimed, dead
put_backlog(reply, sale, past_epochs(sale.past), now, {
    leases = KEYS[4], retries = KEYS[5], queue = KEYS[8], bitmap = KEYS[9],
})
return reply
