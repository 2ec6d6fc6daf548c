#!lua flags=allow-oom
-- Claims entries under a lease: retries that are due, earliest first, then the queue in order, within pace and stock.
--
-- KEYS  1 sale · 2 marker · 3 claimed · 4 leases · 5 retries · 6, 7 queue of segment s and s + 1 · 8, 9 their bitmaps ·
--       10 claims · 11 segments with restored tickets
-- ARGV  1 now, empty for Redis's time · 2 sale id · 3 max entries · 4 s · 5, 6 the latest epoch and last seq that the
--       caller has seen
-- Reply {NO_SALE}, {HISTORY_CHANGED}
--       {WRONG_KEYS, the queue's state (include/queue.lua)}: s is not the segment behind the cursor; nothing was claimed
--       {DONE, the queue's state, past epochs, created_at, fence or 0, lease in ms, count of
--        retries, for each: ticket, attempt, entry … then the count of first attempts, for each: ticket, entry … then the
--        backlog (include/backlog.lua)}
--
-- Entries from the queue form a block (include/block.lua); each retry has a record and a lease of its own.

--! include codes
--! include open_sale
--! include clock
--! include backlog
--! include block
--! include lost
--! include reopened

-- Upper bound on the seqs that one claim passes, so that a long run of cancelled tickets is skipped in bounded steps.
local MAX_SEQS_PASSED = 1024

local sale, unusable = open_sale(KEYS[1], KEYS[2], true)
if unusable then
    return unusable
end
if has_gone_back(sale.epoch, sale.last_seq, ARGV[5], ARGV[6]) then
    return { HISTORY_CHANGED }
end

local now, segment = now_millis(ARGV[1]), tonumber(ARGV[4])
local past, cursor_before = past_epochs(sale.past), sale.cursor
local last_claimable = cross_lost_seqs(sale, past, now, KEYS[11])
local crossed = sale.cursor > cursor_before
if segment_of(sale.cursor + 1) ~= segment then
    if crossed then
        save_sale(KEYS[1], sale)
    end
    return queue_state(WRONG_KEYS, sale)
end

local clock_set_back = follow_clock(sale, now)
local free_before = free_units(sale)
local wanted = sale.fulfilment_held == 1 and 0 or tonumber(ARGV[3])
if sale.pace then
    wanted = math.min(wanted, math.floor(bucket_level(sale, now) / TICKET))
end
local fence, deadline = sale.fence + 1, digits(now + sale.lease)

-- The changes, collected before anything is written.
local retried, records, leases, claimed_retries = {}, {}, {}, {}

if wanted > 0 and sale.retrying_tickets > 0 then
    claimed_retries = redis.call('ZRANGE', KEYS[5], '-inf', now, 'BYSCORE', 'LIMIT', 0, wanted)
    if #claimed_retries > 0 then
        local seqs = {}
        for i, member in ipairs(claimed_retries) do
            seqs[i] = tonumber(member)
        end
        for i, record in ipairs(redis.call('HMGET', KEYS[3], unpack(seqs))) do
            local state, _, attempt, start = decode_record(record or '')
            local units = state == 'W' and units_of(record, start)
            if not units then
                return corrupt('ticket ' .. digits(seqs[i]) .. ' is due for a retry and has no record')
            end
            add_to(sale, 'retrying', -1, -units)
            transfer(sale, 'waiting', 'in_flight', 1, units)
            local entry, three = string.sub(record, start), 3 * i
            retried[three - 2], retried[three - 1], retried[three] = seqs[i], attempt + 1, entry
            records[2 * i - 1], records[2 * i] = digits(seqs[i]), record_head('P', fence, attempt + 1) .. entry
            leases[2 * i - 1], leases[2 * i] = deadline, claimed_retries[i]
        end
        wanted = wanted - #claimed_retries
    end
end

-- How many seqs to pass for the tickets that are wanted, and which of these seqs are cancelled.
local seqs_ahead = math.min(last_claimable - sale.cursor, MAX_SEQS_PASSED)
local cancelled = {}
if wanted == 0 or sale.closed == 1 then
    seqs_ahead = 0
elseif sale.rises == 0 and sale.cancelled_tickets == sale.skipped then
    seqs_ahead = math.min(seqs_ahead, wanted)
else
    local bitmaps = { redis.call('GET', KEYS[8]) or '', redis.call('GET', KEYS[9]) or '' }
    local live, ahead = 0, 0
    while ahead < seqs_ahead and live < wanted do
        ahead = ahead + 1
        local seq = sale.cursor + ahead
        local byte = string.byte(bitmaps[segment_of(seq) - segment + 1], math.floor(bit_of(seq) / 8) + 1) or 0
        cancelled[ahead] = math.floor(byte / 2 ^ (7 - bit_of(seq) % 8)) % 2 == 1
        if not cancelled[ahead] then
            live = live + 1
        end
    end
    seqs_ahead = ahead
end

local first_queue = math.min(seqs_ahead, (segment + 1) * SEGMENT - sale.cursor)
local entries = {}
if seqs_ahead > 0 then
    entries = redis.call('LRANGE', KEYS[6], 0, first_queue - 1)
    if first_queue < seqs_ahead then
        for _, entry in ipairs(redis.call('LRANGE', KEYS[7], 0, seqs_ahead - first_queue - 1)) do
            entries[#entries + 1] = entry
        end
    end
    if #entries ~= seqs_ahead then
        return corrupt('the queue behind ticket ' .. digits(sale.cursor) .. ' has gaps')
    end
end

local passed, queue_tickets, queue_units = 0, 0, 0
local uncommitted = sale.stock and sale.stock - committed_units(sale) or math.huge
local held = {}
for i = 1, seqs_ahead do
    if cancelled[i] then
        sale.skipped = sale.skipped + 1
        held[i], entries[i] = NOT_HELD, ''
    else
        local units = units_of(entries[i])
        if not units then
            return corrupt('the queue behind ticket ' .. digits(sale.cursor) .. ' has an invalid entry')
        end
        if units > uncommitted then
            break
        end
        uncommitted = uncommitted - units
        queue_tickets, queue_units = queue_tickets + 1, queue_units + units
        held[i] = HELD
    end
    passed = i
end
for i = passed + 1, seqs_ahead do
    entries[i] = nil
end

local first = sale.cursor + 1
transfer(sale, 'waiting', 'in_flight', queue_tickets, queue_units)
if passed > 0 then
    redis.call('LTRIM', KEYS[6], math.min(passed, first_queue), -1)
    if passed > first_queue then
        redis.call('LTRIM', KEYS[7], passed - first_queue, -1)
    end
    sale.cursor = sale.cursor + passed
end
if queue_tickets > 0 then
    local block = {
        fence = digits(fence), first = first, left = queue_tickets, single_units = queue_units == queue_tickets, held = held,
    }
    redis.call('HSET', KEYS[10], block.fence, encode_block(block), entries_field(block.fence), cmsgpack.pack(entries))
    redis.call('ZADD', KEYS[4], deadline, block_member(block))
end
if #claimed_retries > 0 then
    redis.call('HSET', KEYS[3], unpack(records))
    redis.call('ZADD', KEYS[4], unpack(leases))
    redis.call('ZREM', KEYS[5], unpack(claimed_retries))
end
local claims = #claimed_retries + queue_tickets
if claims > 0 then
    sale.fence = fence
    count_claims(sale, now, claims)
end
if passed > 0 or claims > 0 or clock_set_back or crossed then
    save_sale(KEYS[1], sale)
    announce_if_reopened(sale, free_before, ARGV[2])
end

local reply = queue_state(DONE, sale)
for _, value in ipairs({ sale.past, sale.created_at, claims > 0 and fence or 0, sale.lease, #claimed_retries }) do
    reply[#reply + 1] = value
end
local size = #reply
for i = 1, #retried do
    reply[size + i] = retried[i]
end
size = size + #retried + 1
reply[size] = queue_tickets
for i = 1, passed do
    if held[i] == HELD then
        reply[size + 1], reply[size + 2] = first + i - 1, entries[i]
        size = size + 2
    end
end
local behind = segment_of(sale.cursor + 1) - segment
put_backlog(reply, sale, past, now, {
    leases = KEYS[4], retries = KEYS[5], queue = KEYS[6 + behind], bitmap = KEYS[8 + behind],
})
return reply
